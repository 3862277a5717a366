package io.lethe.unlearning;

import com.fasterxml.jackson.databind.JsonNode;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/**
 * Cross-fitting that is taken up where it ended: each fold's outputs are kept once they are there,
 * and another run trains only the folds that are missing. They lie under the digest of all that
 * they come of, so that no other work takes them for its own. Whoever uses them discards them.
 */
public final class KeptFolds {
  private final ArtifactStore store;
  private final String prefix;
  private final Path scratch;

  /**
   * @param store where outputs are kept
   * @param prefix of their names in it
   * @param scratch folder for files of a moment
   */
  public KeptFolds(ArtifactStore store, String prefix, Path scratch) {
    this.store = store;
    this.prefix = prefix;
    this.scratch = scratch;
  }

  /**
   * What is to be cross-fitted.
   *
   * @param outputs of the recipe's models
   * @param samples positions in the dataset that models are trained on
   * @param others positions that none is trained on, and that get a target all the same
   * @param subjectOf the data subject of a position
   */
  @SuppressWarnings("ArrayRecordComponent") // lives for one call
  public record Work(
      Recipe recipe,
      int folds,
      int outputs,
      SampleDataset dataset,
      int[] samples,
      int[] others,
      IntFunction<String> subjectOf) {}

  /**
   * The targets of all samples of the work.
   *
   * @param resumed told before the first training how many folds need none
   * @param progress over all folds, those that need none included
   */
  public HeldOutTargets run(Work work, IntConsumer resumed, Progress progress) {
    Recipe recipe = work.recipe();
    CrossFit crossFit =
        new CrossFit(
            () -> recipe.init().create(recipe.training().seed()), recipe.training(), work.folds());
    List<int[]> split = crossFit.split(work.samples(), work.subjectOf(), recipe.training().seed());
    List<int[]> predicted = CrossFit.predicted(split, work.others(), work.subjectOf());
    String digest = digest(work, split, predicted);
    HeldOutTargets[] targets = new HeldOutTargets[work.folds()];
    for (int fold = 0; fold < targets.length; fold++) {
      targets[fold] = kept(work, predicted.get(fold), name(digest, fold)).orElse(null);
    }
    int[] missing =
        IntStream.range(0, targets.length).filter(fold -> targets[fold] == null).toArray();
    resumed.accept(targets.length - missing.length);
    crossFit.folds(
        work.dataset(),
        split,
        predicted,
        missing,
        (stage, step, steps) -> {
          long perFold = steps / missing.length;
          long before = (targets.length - missing.length) * perFold;
          progress.at(JobStage.TRAIN, before + step, before + steps);
        },
        (fold, logits) -> {
          targets[fold] = HeldOutTargets.of(work.outputs(), predicted.get(fold), logits);
          keep(work.dataset(), predicted.get(fold), targets[fold], name(digest, fold));
        });
    return joined(work.outputs(), predicted, targets);
  }

  private static HeldOutTargets joined(
      int outputs, List<int[]> predicted, HeldOutTargets[] targets) {
    int[] samples = new int[predicted.stream().mapToInt(fold -> fold.length).sum()];
    float[] logits = new float[samples.length * outputs];
    int done = 0;
    for (int fold = 0; fold < targets.length; fold++) {
      float[] rows = targets[fold].logits(predicted.get(fold));
      System.arraycopy(rows, 0, logits, done * outputs, rows.length);
      System.arraycopy(predicted.get(fold), 0, samples, done, predicted.get(fold).length);
      done += predicted.get(fold).length;
    }
    return HeldOutTargets.of(outputs, samples, logits);
  }

  /** What an earlier run found for a fold; another file is as good as none. */
  private Optional<HeldOutTargets> kept(Work work, int[] samples, String name) {
    try {
      return store
          .kept(name)
          .map(file -> HeldOutFile.read(file, work.dataset()))
          .filter(
              targets ->
                  targets.classes() == work.outputs()
                      && targets.size() == samples.length
                      && targets.cover(samples));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private void keep(SampleDataset dataset, int[] samples, HeldOutTargets targets, String name) {
    try {
      Path file = Files.createTempFile(scratch, "fold", ".npz");
      try {
        HeldOutFile.write(file, dataset, samples, targets);
        store.keep(name, file);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String name(String digest, int fold) {
    return "%s%s-fold-%d.npz".formatted(prefix, digest, fold);
  }

  /** SHA-256 over all that a fold's logits come of, lower-case hex. */
  private static String digest(Work work, List<int[]> split, List<int[]> predicted) {
    SampleDataset dataset = work.dataset();
    MessageDigest all = Sha256.digest();
    JsonNode text = work.recipe().toJson();
    add(all, text.toString());
    if (text.path("init").isTextual()) {
      try {
        add(all, Sha256.of(Path.of(text.path("init").asText())));
      } catch (IOException e) {
        throw new UnlearningException("the recipe's untrained model cannot be read");
      }
    }
    add(all, dataset.digest());
    add(all, Integer.toString(work.outputs()));
    for (List<int[]> folds : List.of(split, predicted)) {
      for (int[] fold : folds) {
        add(all, Integer.toString(fold.length));
        for (int sample : fold) {
          add(all, sample + " " + dataset.sampleId(sample));
        }
      }
    }
    return Sha256.hex(all);
  }

  /** Piece by piece, each with its end: the ids of all samples need not be in memory at once. */
  private static void add(MessageDigest digest, String piece) {
    digest.update(piece.getBytes(StandardCharsets.UTF_8));
    digest.update((byte) 0);
  }
}
