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
import io.lethe.unlearning.Confidence;
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
import java.util.function.DoubleSupplier;
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

  /** Held-out targets of some samples of a dataset, from folds of whole data subjects. */
  private Targets targets(Recipe recipe, SampleDataset data, int[] samples, int folds) {
    CrossFit crossFit =
        new CrossFit(
            () -> recipe.init().create(recipe.training().seed()), recipe.training(), folds);
    List<int[]> split =
        crossFit.split(samples, i -> data.subject(i).orElseThrow(), recipe.training().seed());
    int[] missing =
        IntStream.range(0, folds)
            .filter(fold -> !isKept(foldKey(recipe, data, split, fold)))
            .toArray();
    long[] last = {System.nanoTime()};
    crossFit.folds(
        data,
        split,
        missing,
        progress("cross-fitting", recipe),
        (fold, values) -> {
          double seconds = (System.nanoTime() - last[0]) / NANOS;
          last[0] = System.nanoTime();
          write(foldKey(recipe, data, split, fold), file -> write(file, values), () -> seconds);
        });
    int[] order = new int[samples.length];
    ByteBuffer logits = ByteBuffer.allocate(samples.length * data.classes() * Float.BYTES);
    int at = 0;
    double seconds = 0;
    for (int fold = 0; fold < folds; fold++) {
      Kept kept = kept(foldKey(recipe, data, split, fold));
      System.arraycopy(split.get(fold), 0, order, at, split.get(fold).length);
      at += split.get(fold).length;
      seconds += kept.seconds();
      logits.put(read(kept.file()));
    }
    float[] rows = new float[order.length * data.classes()];
    logits.flip().asFloatBuffer().get(rows);
    return new Targets(HeldOutTargets.of(data.classes(), order, rows), seconds);
  }

  /** The same, made as sure as a model of this cache is of a holdout set. */
  Targets targets(Recipe recipe, ErasureData data, int[] samples, int folds, Kept trained) {
    Targets raw = targets(recipe, data.train(), samples, folds);
    try (LoadedModel model = LoadedModel.load(trained.file(), io.lethe.events.ModelFormat.DJL)) {
      return new Targets(Confidence.adjusted(raw.targets(), model, data.holdout()), raw.seconds());
    }
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
    String key = key(kind, recipe);
    if (!isKept(key)) {
      long began = System.nanoTime();
      write(key, maker, () -> (System.nanoTime() - began) / NANOS);
    }
    return kept(key);
  }

  private static String key(String kind, String recipe) {
    return kind + "-" + Sha256.of((kind + recipe).getBytes(StandardCharsets.UTF_8));
  }

  private Path note(String key) {
    return cache.resolve(key + ".json");
  }

  private boolean isKept(String key) {
    return Files.exists(note(key));
  }

  /** Writes a file, and last the note that it is whole. */
  private void write(String key, Maker maker, DoubleSupplier seconds) {
    try {
      Path partial = Files.createTempFile(cache, key, ".partial");
      maker.make(partial);
      Files.move(partial, cache.resolve(key), StandardCopyOption.REPLACE_EXISTING);
      Files.writeString(
          note(key), JSON.createObjectNode().put("seconds", seconds.getAsDouble()).toString());
    } catch (IOException e) {
      throw new IllegalArgumentException(cache + ": cannot be read or written", e);
    }
  }

  private Kept kept(String key) {
    try {
      JsonNode note = JSON.readTree(Files.readString(note(key)));
      return new Kept(cache.resolve(key), note.path("seconds").asDouble());
    } catch (IOException e) {
      throw new IllegalArgumentException(cache + ": cannot be read or written", e);
    }
  }

  private static String foldKey(Recipe recipe, SampleDataset data, List<int[]> split, int fold) {
    return key("fold", recipe.toJson() + data.digest() + Arrays.toString(split.get(fold)));
  }

  private static void write(Path file, float[] values) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES);
    bytes.asFloatBuffer().put(values);
    Files.write(file, bytes.array());
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
