package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;

/**
 * Relearn time (Golatkar et al., CVPR 2020, arXiv 1911.04933): how fast a model knows its forget
 * samples again when it is trained on them. One that only hides what it knew is faster than a model
 * that never saw them; compare with such a reference.
 *
 * <p>Adam at 1e-3 on minibatches of 64, running statistics frozen; after each update 256 seeded
 * forget samples are asked for.
 */
public final class Relearning {
  /** Updates at most. */
  public static final int LIMIT = 50;

  private static final int BATCH = 64;
  private static final int ASKED = 256;
  private static final double RATE = 1e-3;
  private static final double WANTED = 0.95;

  private Relearning() {}

  /**
   * The model's weights are what they were when this returns.
   *
   * @param forget positions in the dataset, at least one
   * @return updates until 95 % are right, 0 when they are from the start, {@link #LIMIT} + 1 when
   *     they never were
   */
  public static int steps(
      LoadedModel model, SampleDataset dataset, int[] forget, long seed, Progress progress) {
    int[] asked = Sampling.choose(forget, ASKED, Sampling.mix(seed, Sampling.FORGET));
    try (NDManager scope = model.manager().newSubManager()) {
      NDList weights = model.copyWeights(scope);
      try {
        return train(model, dataset, forget, asked, seed, progress);
      } finally {
        model.assignWeights(weights);
      }
    }
  }

  private static int train(
      LoadedModel model,
      SampleDataset dataset,
      int[] forget,
      int[] asked,
      long seed,
      Progress progress) {
    int[] order = new int[0];
    int at = 0;
    int pass = 0;
    try (GradientMode on = GradientMode.on();
        Adam adam = new Adam(model, null, 0)) {
      for (int step = 0; step <= LIMIT; step++) {
        if (Evaluator.score(model, dataset, asked).accuracy() >= WANTED) {
          return step;
        }
        if (at >= order.length) {
          order = Sampling.shuffle(forget, Sampling.mix(seed, pass++));
          at = 0;
        }
        int[] batch = Arrays.copyOfRange(order, at, Math.min(order.length, at + BATCH));
        at += BATCH;
        try (NDManager minibatch = model.manager().newSubManager()) {
          NDList xy = dataset.batch(minibatch, batch);
          NDArray logits = model.logits(xy.get(0).toType(model.dataType(), false));
          adam.step(CrossEntropy.perSample(logits, xy.get(1)).mean(), RATE);
        }
        progress.at(JobStage.EVALUATE, step + 1L, LIMIT + 1L);
      }
      return LIMIT + 1;
    }
  }
}
