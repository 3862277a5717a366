package io.lethe.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.SampleDataset;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.Safetensors;
import io.lethe.fisher.SafetensorsFile;
import io.lethe.model.LoadedModel;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Trainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What is expensive to make and the same each time: trained models, outputs of held-out models,
 * Fisher sums. Kept in a folder under the SHA-256 of recipe, data and samples, with the seconds
 * that they took, so that a run that was cut short goes on where it was.
 */
final class Lab {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final double NANOS = 1e9;

  private final Path cache;
  private final Terminal terminal;

  /**
   * @param cache folder; made if it is new
   */
  Lab(Path cache, Terminal terminal) {
    this.terminal = terminal;
    try {
      this.cache = Files.createDirectories(cache);
    } catch (IOException e) {
      throw new IllegalArgumentException(cache + ": cannot be made", e);
    }
  }

  /**
   * A file of the cache.
   *
   * @param seconds what making it took
   */
  record Kept(Path file, double seconds) {}

  /**
   * @param seconds what all folds took together
   */
  record Targets(HeldOutTargets targets, double seconds) {}

  /**
   * @param seconds what summing took
   */
  record Sums(FisherDiagonal sums, double seconds) {}

  /** A model trained by a recipe on some samples of a dataset. */
  Kept trained(String what, Recipe recipe, SampleDataset data, int[] samples) {
    return keep(
        "model",
        recipe.toJson() + data.digest() + Arrays.toString(samples),
        file -> {
          try (LoadedModel model = recipe.init().create(recipe.training().seed())) {
            new Trainer(recipe.training()).train(model, data, samples, progress(what, recipe));
            model.write(file);
          }
        });
  }

  /** Held-out targets of all samples of a dataset, from folds of whole data subjects. */
  Targets targets(Recipe recipe, SampleDataset data, int folds) {
    CrossFit crossFit =
        new CrossFit(
            () -> recipe.init().create(recipe.training().seed()), recipe.training(), folds);
    int[] all = IntStream.range(0, data.size()).toArray();
    List<int[]> split =
        crossFit.split(all, i -> data.subject(i).orElseThrow(), recipe.training().seed());
    int[] order = new int[data.size()];
    ByteBuffer logits = ByteBuffer.allocate(data.size() * data.classes() * Float.BYTES);
    int at = 0;
    double seconds = 0;
    for (int fold = 0; fold < folds; fold++) {
      int current = fold;
      Kept kept =
          keep(
              "fold",
              recipe.toJson() + data.digest() + Arrays.toString(split.get(fold)),
              file -> {
                float[] values =
                    crossFit.fold(
                        data,
                        split,
                        current,
                        progress("fold %d of %d".formatted(current + 1, folds), recipe));
                ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES);
                bytes.asFloatBuffer().put(values);
                Files.write(file, bytes.array());
              });
      System.arraycopy(split.get(fold), 0, order, at, split.get(fold).length);
      at += split.get(fold).length;
      seconds += kept.seconds();
      logits.put(read(kept.file()));
    }
    float[] rows = new float[order.length * data.classes()];
    logits.flip().asFloatBuffer().get(rows);
    return new Targets(HeldOutTargets.of(data.classes(), order, rows), seconds);
  }

  /** Sums of squared gradients of a model of this cache over some samples. */
  Sums fisher(Kept trained, SampleDataset data, int[] samples) {
    Kept kept =
        keep(
            "fisher",
            trained.file().getFileName() + data.digest() + Arrays.toString(samples),
            file -> {
              try (LoadedModel model =
                  LoadedModel.load(trained.file(), io.lethe.events.ModelFormat.DJL)) {
                Safetensors.write(
                    file,
                    Map.of(),
                    new FisherComputer(model).sum(data, samples, ShownProgress.ofJob(terminal)));
              }
            });
    try {
      return new Sums(SafetensorsFile.readDiagonal(kept.file()), kept.seconds());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes a file that is not there yet. */
  private interface Maker {
    void make(Path file) throws IOException;
  }

  private Kept keep(String kind, String recipe, Maker maker) {
    String key = Sha256.of((kind + recipe).getBytes(StandardCharsets.UTF_8));
    Path file = cache.resolve(kind + "-" + key);
    Path note = cache.resolve(kind + "-" + key + ".json");
    try {
      if (!Files.exists(note)) {
        Path partial = Files.createTempFile(cache, kind, ".partial");
        long began = System.nanoTime();
        maker.make(partial);
        double seconds = (System.nanoTime() - began) / NANOS;
        Files.move(partial, file, StandardCopyOption.REPLACE_EXISTING);
        Files.writeString(note, JSON.createObjectNode().put("seconds", seconds).toString());
      }
      JsonNode kept = JSON.readTree(Files.readString(note));
      return new Kept(file, kept.path("seconds").asDouble());
    } catch (IOException e) {
      throw new IllegalArgumentException(cache + ": cannot be read or written", e);
    }
  }

  private static byte[] read(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private ShownProgress progress(String what, Recipe recipe) {
    return ShownProgress.ofTraining(terminal, what, recipe.training().batch());
  }
}
