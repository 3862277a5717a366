package io.lethe.unlearning;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.TreeMap;
import java.util.function.IntFunction;
import java.util.function.Supplier;

/**
 * K-fold cross-fitting: K models, each trained without its fold by the model's own recipe, give
 * every sample the output of a model that never saw it.
 *
 * <p>Folds are split by data subject: a model that saw the subject's other samples has seen the
 * subject. Costs about K − 1 trainings, once per anchor. Deterministic; a fold depends on no other,
 * so that folds may be run and resumed one at a time.
 */
public final class CrossFit {
  private static final int BATCH = 256;

  private final Supplier<LoadedModel> untrained;
  private final TrainingRecipe recipe;
  private final int folds;

  /**
   * @param untrained makes a model with its initial weights; each call a new one, closed here
   * @param recipe how it is trained
   * @param folds K, at least 2
   */
  public CrossFit(Supplier<LoadedModel> untrained, TrainingRecipe recipe, int folds) {
    if (folds < 2) {
      throw new IllegalArgumentException("cross-fitting takes at least 2 folds, not " + folds);
    }
    this.untrained = untrained;
    this.recipe = recipe;
    this.folds = folds;
  }

  /**
   * Splits samples into folds of whole subjects and nearly equal size.
   *
   * @param subjectOf the subject of a position; what gives each position another string splits by
   *     sample
   * @return for each fold its positions, ascending
   */
  public List<int[]> split(int[] samples, IntFunction<String> subjectOf, long seed) {
    TreeMap<String, List<Integer>> bySubject = new TreeMap<>();
    for (int sample : samples) {
      bySubject.computeIfAbsent(subjectOf.apply(sample), s -> new ArrayList<>()).add(sample);
    }
    if (bySubject.size() < folds) {
      throw new UnlearningException(
          "%d data subjects are too few for %d folds".formatted(bySubject.size(), folds));
    }
    List<List<Integer>> subjects = new ArrayList<>(bySubject.values());
    Collections.shuffle(subjects, new Random(seed));
    List<List<Integer>> split = new ArrayList<>();
    for (int fold = 0; fold < folds; fold++) {
      split.add(new ArrayList<>());
    }
    for (List<Integer> subject : subjects) {
      split.stream()
          .min((a, b) -> Integer.compare(a.size(), b.size()))
          .orElseThrow()
          .addAll(subject);
    }
    return split.stream()
        .map(fold -> fold.stream().mapToInt(Integer::intValue).sorted().toArray())
        .toList();
  }

  /** All folds, one after the other. */
  public HeldOutTargets run(
      SampleDataset dataset,
      int[] samples,
      IntFunction<String> subjectOf,
      long seed,
      Progress progress) {
    List<int[]> split = split(samples, subjectOf, seed);
    float[] logits = new float[samples.length * dataset.classes()];
    int[] order = new int[samples.length];
    int done = 0;
    for (int fold = 0; fold < folds; fold++) {
      int current = fold;
      float[] foldLogits =
          fold(
              dataset,
              split,
              fold,
              (stage, step, steps) -> progress.at(stage, current * steps + step, folds * steps));
      System.arraycopy(split.get(fold), 0, order, done, split.get(fold).length);
      System.arraycopy(foldLogits, 0, logits, done * dataset.classes(), foldLogits.length);
      done += split.get(fold).length;
    }
    return HeldOutTargets.of(dataset.classes(), order, logits);
  }

  /**
   * One fold: trains on all the others.
   *
   * @return logits of the fold's samples (samples, classes), row-major
   */
  public float[] fold(SampleDataset dataset, List<int[]> split, int fold, Progress progress) {
    int[] others =
        split.stream()
            .filter(part -> part != split.get(fold))
            .flatMapToInt(Arrays::stream)
            .sorted()
            .toArray();
    try (LoadedModel model = untrained.get()) {
      new Trainer(recipe).train(model, dataset, others, progress);
      return logits(model, dataset, split.get(fold));
    }
  }

  /** Logits of samples in eval mode, (samples, classes), row-major. */
  public static float[] logits(LoadedModel model, SampleDataset dataset, int[] samples) {
    float[] all = new float[samples.length * dataset.classes()];
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = model.manager().newSubManager()) {
          NDList xy = dataset.batch(scope, batch);
          float[] rows =
              model
                  .logits(xy.get(0).toType(model.dataType(), false))
                  .toType(DataType.FLOAT32, false)
                  .toFloatArray();
          System.arraycopy(rows, 0, all, from * dataset.classes(), rows.length);
        }
      }
    }
    return all;
  }
}
