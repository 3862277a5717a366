package io.lethe.unlearning;

import io.lethe.events.Interval;
import java.util.Arrays;

/** 95 % confidence intervals; each names its source. All are closed forms: nothing is drawn. */
public final class Intervals {
  /** 97.5 % quantile of the standard normal distribution. */
  static final double Z = 1.959963984540054;

  private Intervals() {}

  /**
   * Of a proportion: the score interval of Wilson (JASA 22, 1927). [0, 1] for no trials.
   *
   * @param hits successes among {@code n} trials
   */
  public static Interval wilson(long hits, long n) {
    if (n == 0) {
      return new Interval(0.0, 1.0);
    }
    double p = (double) hits / n;
    double scale = 1 + Z * Z / n;
    double centre = (p + Z * Z / (2.0 * n)) / scale;
    double half = Z / scale * Math.sqrt(p * (1 - p) / n + Z * Z / (4.0 * n * n));
    return new Interval(
        hits == 0 ? 0 : Math.max(0, centre - half), hits == n ? 1 : Math.min(1, centre + half));
  }

  /**
   * Of a mean: ± 1.96 standard errors, by the central limit theorem. The mean itself for fewer than
   * two values.
   */
  public static Interval mean(double[] values) {
    double mean = Arrays.stream(values).average().orElse(0);
    double squares = Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum();
    double half =
        values.length < 2 ? 0 : Z * Math.sqrt(squares / (values.length - 1.0) / values.length);
    return new Interval(mean - half, mean + half);
  }

  /**
   * Of the difference of two proportions on the same samples: the adjusted Wald interval of Bonett
   * and Price (Journal of Educational and Behavioral Statistics 37, 2012), which adds one to each
   * kind of disagreement and so never has length zero.
   *
   * @param onlyFirst samples on which the first succeeds and the second does not
   * @param onlySecond the reverse
   * @param n all samples
   * @return of first − second; [−1, 1] for no samples
   */
  public static Interval pairedDifference(long onlyFirst, long onlySecond, long n) {
    if (n == 0) {
      return new Interval(-1.0, 1.0);
    }
    double first = (onlyFirst + 1.0) / (n + 2.0);
    double second = (onlySecond + 1.0) / (n + 2.0);
    double difference = first - second;
    double half = Z * Math.sqrt((first + second - difference * difference) / (n + 2.0));
    return new Interval(Math.max(-1, difference - half), Math.min(1, difference + half));
  }

  /**
   * Of the difference of two proportions on different samples: Newcombe's hybrid score interval
   * (Statistics in Medicine 17, 1998, method 10).
   *
   * @return of first − second
   */
  public static Interval difference(long firstHits, long firstN, long secondHits, long secondN) {
    Interval first = wilson(firstHits, firstN);
    Interval second = wilson(secondHits, secondN);
    double p = firstN == 0 ? 0.5 : (double) firstHits / firstN;
    double q = secondN == 0 ? 0.5 : (double) secondHits / secondN;
    return new Interval(
        p - q - Math.hypot(p - first.getLow(), second.getHigh() - q),
        p - q + Math.hypot(first.getHigh() - p, q - second.getLow()));
  }
}
