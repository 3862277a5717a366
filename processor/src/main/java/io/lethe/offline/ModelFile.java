package io.lethe.offline;

import io.lethe.artifact.Sha256;
import io.lethe.events.ModelFormat;
import io.lethe.model.LoadedModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A model's file.
 *
 * @param path where it is
 * @param format by its name: {@code .pt} is TorchScript, anything else a DJL block
 * @param sha256 of its bytes
 */
public record ModelFile(Path path, ModelFormat format, String sha256) {
  private static final String TORCHSCRIPT = ".pt";

  /**
   * @throws IllegalArgumentException in one line, when it cannot be read
   */
  public static ModelFile of(Path path) {
    if (!Files.isReadable(path) || Files.isDirectory(path)) {
      throw new IllegalArgumentException(path + ": no such file, or not readable");
    }
    try {
      return new ModelFile(
          path,
          path.toString().endsWith(TORCHSCRIPT) ? ModelFormat.TORCHSCRIPT : ModelFormat.DJL,
          Sha256.of(path));
    } catch (IOException e) {
      throw new IllegalArgumentException(path + ": cannot be read", e);
    }
  }

  /** Loads it; the caller closes it. */
  public LoadedModel load() {
    return LoadedModel.load(path, format);
  }

  /** Name of a new model's file of the same format. */
  public String outputName() {
    return outputName(format);
  }

  static String outputName(ModelFormat format) {
    return "model" + (format == ModelFormat.TORCHSCRIPT ? TORCHSCRIPT : ".params");
  }
}
