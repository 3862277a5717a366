package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.Interval;
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
 *
 * <p>The samples that are asked for are a draw, so the share of them that is right has an interval
 * (Wilson), and the relearn time has one by it: from the update at which that interval first
 * reaches 95 % to the one at which it first lies there as a whole. Training goes on until then.
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
   * Relearn time in updates.
   *
   * @param steps until 95 % are right, 0 when they are from the start, {@link #LIMIT} + 1 when they
   *     never were
   * @param interval of the steps, 95 %, ends likewise; of fewer than 73 samples all of which are
   *     right the share may still be below 95 %, so that the upper end is {@link #LIMIT} + 1
   */
  public record Time(int steps, Interval interval) {}

  /**
   * The model's weights are what they were when this returns.
   *
   * @param forget positions in the dataset, at least one
   */
  public static Time time(
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

  private static Time train(
      LoadedModel model,
      SampleDataset dataset,
      int[] forget,
      int[] asked,
      long seed,
      Progress progress) {
    int[] order = new int[0];
    int at = 0;
    int pass = 0;
    int[] reached = {LIMIT + 1, LIMIT + 1, LIMIT + 1}; // by the upper end, the share, the lower end
    try (GradientMode on = GradientMode.on();
        Adam adam = new Adam(model, null, 0)) {
      for (int step = 0; step <= LIMIT; step++) {
        Evaluator.Scores scores = Evaluator.score(model, dataset, asked);
        Interval share = Intervals.wilson(scores.correct(), asked.length);
        double[] ends = {share.getHigh(), scores.accuracy(), share.getLow()};
        for (int end = 0; end < ends.length; end++) {
          reached[end] = ends[end] >= WANTED ? Math.min(reached[end], step) : reached[end];
        }
        if (reached[2] <= step) {
          break;
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
    }
    return new Time(reached[1], new Interval((double) reached[0], (double) reached[2]));
  }
}
