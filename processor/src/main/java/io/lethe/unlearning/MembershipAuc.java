package io.lethe.unlearning;

import io.lethe.events.Interval;
import java.util.Arrays;

/**
 * Area under the ROC curve of the attack of Yeom et al. (CSF 2018, arXiv 1709.01604), which takes
 * samples of low loss for members: the chance that a random forget sample has a lower loss than a
 * random holdout sample, ties counted half. 0.5 tells nothing; well below 0.5 the forget samples
 * stand out as much, by being forgotten too well.
 */
public final class MembershipAuc {
  private MembershipAuc() {}

  /** The area; 0.5 where either set is empty. */
  public static double of(double[] forget, double[] holdout) {
    if (forget.length == 0 || holdout.length == 0) {
      return 0.5;
    }
    return Arrays.stream(placements(forget, holdout)).sum() / forget.length;
  }

  /**
   * 95 % interval of the area by the variance of DeLong et al. (Biometrics 44, 1988, eq. 4 to 6):
   * the spread over forget samples of the share of holdout samples that each beats, and the
   * reverse.
   *
   * <p>Where the sets do not overlap at all that variance is zero, however few samples there are.
   * The interval is then Wilson's for min(m, n) disjoint pairs of which all came out alike. [0, 1]
   * where either set is empty.
   */
  public static Interval interval(double[] forget, double[] holdout) {
    int pairs = Math.min(forget.length, holdout.length);
    if (pairs == 0) {
      return new Interval(0.0, 1.0);
    }
    double auc = of(forget, holdout);
    if (auc == 0 || auc == 1) {
      return Intervals.wilson(auc == 1 ? pairs : 0, pairs);
    }
    double[] others = placements(holdout, forget);
    double variance =
        variance(placements(forget, holdout)) / forget.length + variance(others) / holdout.length;
    double half = Intervals.Z * Math.sqrt(variance);
    return new Interval(Math.max(0, auc - half), Math.min(1, auc + half));
  }

  /** For each value the share of the others that are larger, equal ones counted half. */
  private static double[] placements(double[] values, double[] others) {
    double[] sorted = others.clone();
    Arrays.sort(sorted);
    double[] placements = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      int below = firstNotBelow(sorted, values[i]);
      int upTo = firstNotBelow(sorted, Math.nextUp(values[i]));
      placements[i] = (sorted.length - upTo + 0.5 * (upTo - below)) / sorted.length;
    }
    return placements;
  }

  private static int firstNotBelow(double[] sorted, double value) {
    int low = 0;
    int high = sorted.length;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (sorted[middle] < value) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Unbiased; 0 for a single value. */
  private static double variance(double[] values) {
    double mean = Arrays.stream(values).average().orElse(0);
    double sum = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
    return values.length < 2 ? 0 : sum / (values.length - 1);
  }
}
