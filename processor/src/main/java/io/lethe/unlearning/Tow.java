package io.lethe.unlearning;

import io.lethe.events.Interval;
import java.util.Arrays;
import java.util.Random;

/**
 * ToW, "tug of war" (Zhao et al. 2024, arXiv 2406.01257): the product over forget, retain and
 * holdout of 1 − |accuracy − reference's accuracy|, where the reference was trained without the
 * forget samples. 1: as good as retrained.
 *
 * @param value of the samples as measured
 * @param interval 95 %, by the percentile bootstrap (Efron and Tibshirani 1993, chapter 13) over
 *     samples, each set on its own, the two models on the same draw; seeded. A resampled difference
 *     is on average larger than the measured one, so that near 1 the interval may lie below the
 *     value.
 */
public record Tow(double value, Interval interval) {
  private static final int RESAMPLES = 1_000;
  private static final long SEED = 1;

  /** Of two models that one evaluator measured. */
  public static Tow between(Evaluator.Measured model, Evaluator.Measured reference) {
    int[][] differences = {
      differences(model.forget(), reference.forget()),
      differences(model.retain(), reference.retain()),
      differences(model.holdout(), reference.holdout())
    };
    double value = 1;
    for (int[] set : differences) {
      value *= closeness(Arrays.stream(set).sum(), set.length);
    }
    Random random = new Random(SEED);
    double[] resampled = new double[RESAMPLES];
    for (int r = 0; r < RESAMPLES; r++) {
      resampled[r] = 1;
      for (int[] set : differences) {
        long sum = 0;
        for (int i = 0; i < set.length; i++) {
          sum += set[random.nextInt(set.length)];
        }
        resampled[r] *= closeness(sum, set.length);
      }
    }
    Arrays.sort(resampled);
    return new Tow(
        value,
        new Interval(
            resampled[(int) (0.025 * RESAMPLES)], resampled[(int) (0.975 * RESAMPLES) - 1]));
  }

  private static double closeness(long sum, int n) {
    return n == 0 ? 1 : 1 - Math.abs((double) sum / n);
  }

  /** 1 where only the first is right, −1 where only the second is. */
  private static int[] differences(Evaluator.Scores first, Evaluator.Scores second) {
    int[] differences = new int[first.hits().length];
    for (int i = 0; i < differences.length; i++) {
      differences[i] = (first.hits()[i] ? 1 : 0) - (second.hits()[i] ? 1 : 0);
    }
    return differences;
  }
}
