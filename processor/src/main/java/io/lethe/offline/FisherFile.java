package io.lethe.offline;

import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.Safetensors;
import io.lethe.fisher.SafetensorsException;
import io.lethe.fisher.SafetensorsFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Fisher sums as a safetensors file: one float32 tensor per parameter under its own name, and as
 * metadata {@code count}, {@code reduction=sum} and the SHA-256 of the model's file ({@code model})
 * and of the dataset's values ({@code dataset}) that they were computed of.
 */
public final class FisherFile {
  private static final String MODEL = "model";
  private static final String DATASET = "dataset";

  private FisherFile() {}

  /** Writes sums to a file that nobody reads yet. */
  public static void write(Path file, FisherDiagonal sums, String modelSha256, String datasetDigest)
      throws IOException {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(MODEL, modelSha256);
    metadata.put(DATASET, datasetDigest);
    Safetensors.write(file, metadata, sums);
  }

  /**
   * Reads sums over a whole dataset.
   *
   * @param samples number of samples of the dataset
   * @throws IllegalArgumentException in one line, when they are not those of this model and dataset
   */
  public static FisherDiagonal read(
      Path file, String modelSha256, String datasetDigest, int samples) {
    try {
      Map<String, String> metadata;
      try (SafetensorsFile opened = SafetensorsFile.open(file)) {
        metadata = opened.metadata();
      }
      requireSame(file, MODEL, metadata, modelSha256);
      requireSame(file, DATASET, metadata, datasetDigest);
      FisherDiagonal sums = SafetensorsFile.readDiagonal(file);
      if (sums.samples() != samples) {
        throw new IllegalArgumentException(
            "%s: sums over %d samples, the dataset has %d"
                .formatted(file, sums.samples(), samples));
      }
      return sums;
    } catch (SafetensorsException e) {
      throw new IllegalArgumentException(e.getMessage(), e);
    } catch (IOException e) {
      throw new IllegalArgumentException(file + ": no such file, or not readable", e);
    }
  }

  private static void requireSame(
      Path file, String name, Map<String, String> metadata, String digest) {
    String own = metadata.get(name);
    if (own != null && !own.equals(digest)) {
      throw new IllegalArgumentException(
          "%s: computed of another %s (%s, not %s)"
              .formatted(file, name, abbreviated(own), abbreviated(digest)));
    }
  }

  private static String abbreviated(String digest) {
    return digest.length() > 12 ? digest.substring(0, 12) + "…" : digest;
  }
}
