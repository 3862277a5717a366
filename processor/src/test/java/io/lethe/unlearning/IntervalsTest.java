package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lethe.events.Interval;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class IntervalsTest {
  @Test
  void wilsonsEndsAreWhereTheScoreTestJustRejects() {
    for (int n : new int[] {1, 7, 50, 2000}) {
      for (int hits : new int[] {0, 1, n / 3, n - 1, n}) {
        Interval interval = Intervals.wilson(hits, n);

        assertThat(interval.getLow()).isCloseTo(end(hits, n, 0, (double) hits / n), within(1e-9));
        assertThat(interval.getHigh()).isCloseTo(end(hits, n, 1, (double) hits / n), within(1e-9));
      }
    }
  }

  @Test
  void wilsonAgreesWithAPublishedExample() {
    // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263, and 15 of 148.
    assertThat(Intervals.wilson(81, 263).getLow()).isCloseTo(0.2553, within(5e-5));
    assertThat(Intervals.wilson(81, 263).getHigh()).isCloseTo(0.3662, within(5e-5));
    assertThat(Intervals.wilson(15, 148).getLow()).isCloseTo(0.0624, within(5e-5));
    assertThat(Intervals.wilson(15, 148).getHigh()).isCloseTo(0.1605, within(5e-5));
  }

  @Test
  void differenceAgreesWithAPublishedExample() {
    // Newcombe, Statistics in Medicine 17 (1998), table II (a), method 10: 56 of 70 less 48 of 80.
    Interval interval = Intervals.difference(56, 70, 48, 80);

    assertThat(interval.getLow()).isCloseTo(0.0524, within(5e-5));
    assertThat(interval.getHigh()).isCloseTo(0.3339, within(5e-5));
  }

  @Test
  void pairedDifferenceCoversTheTruth() {
    // 60 pairs; the first is right alone with 0.15, the second alone with 0.05
    Random random = new Random(1);
    int covered = 0;
    for (int trial = 0; trial < 4000; trial++) {
      int first = 0;
      int second = 0;
      for (int i = 0; i < 60; i++) {
        double u = random.nextDouble();
        first += u < 0.15 ? 1 : 0;
        second += u >= 0.15 && u < 0.2 ? 1 : 0;
      }
      Interval interval = Intervals.pairedDifference(first, second, 60);
      covered += interval.getLow() <= 0.1 && 0.1 <= interval.getHigh() ? 1 : 0;
    }

    assertThat(covered / 4000.0).isBetween(0.93, 0.98);
  }

  @Test
  void agreementOnEverySampleIsNoCertainty() {
    Interval few = Intervals.pairedDifference(0, 0, 10);
    Interval many = Intervals.pairedDifference(0, 0, 1000);

    assertThat(few.getLow()).isNegative();
    assertThat(few.getHigh()).isEqualTo(-few.getLow()).isGreaterThan(10 * many.getHigh());
  }

  @Test
  void meansIntervalIsTwoStandardErrors() {
    double[] values = new Random(2).doubles(500).toArray();
    double mean = DoubleStream.of(values).average().orElseThrow();
    double meanSquare = DoubleStream.of(values).map(v -> v * v).average().orElseThrow();
    double error = Math.sqrt((meanSquare - mean * mean) * 500 / 499 / 500);

    Interval interval = Intervals.mean(values);

    assertThat(interval.getLow()).isCloseTo(mean - 1.959964 * error, within(1e-6));
    assertThat(interval.getHigh()).isCloseTo(mean + 1.959964 * error, within(1e-6));
  }

  @Test
  void noSamplesTellNothing() {
    assertThat(Intervals.wilson(0, 0)).isEqualTo(new Interval(0.0, 1.0));
    assertThat(Intervals.pairedDifference(0, 0, 0)).isEqualTo(new Interval(-1.0, 1.0));
    assertThat(MembershipAuc.interval(new double[0], new double[] {1}))
        .isEqualTo(new Interval(0.0, 1.0));
  }

  @Test
  void delongsVarianceIsThatOfItsDefinition() {
    // Structural components by the count over all pairs, with ties
    Random random = new Random(3);
    double[] forget = IntStream.range(0, 40).mapToDouble(i -> random.nextInt(12)).toArray();
    double[] holdout = IntStream.range(0, 25).mapToDouble(i -> 3 + random.nextInt(12)).toArray();
    double[] rows = new double[40];
    double[] columns = new double[25];
    for (int f = 0; f < 40; f++) {
      for (int h = 0; h < 25; h++) {
        double win = forget[f] < holdout[h] ? 1 : forget[f] == holdout[h] ? 0.5 : 0;
        rows[f] += win / 25;
        columns[h] += win / 40;
      }
    }
    double auc = DoubleStream.of(rows).average().orElseThrow();
    double s10 = DoubleStream.of(rows).map(v -> (v - auc) * (v - auc)).sum() / 39;
    double s01 = DoubleStream.of(columns).map(v -> (v - auc) * (v - auc)).sum() / 24;
    double half = 1.959963984540054 * Math.sqrt(s10 / 40 + s01 / 25);

    Interval interval = MembershipAuc.interval(forget, holdout);

    assertThat(interval.getLow()).isCloseTo(auc - half, within(1e-12));
    assertThat(interval.getHigh()).isCloseTo(Math.min(1, auc + half), within(1e-12));
  }

  @Test
  void aucsIntervalCoversTheTruth() {
    // N(0, 1) against N(1, 1): the area is Φ(1/√2)
    Random random = new Random(4);
    int covered = 0;
    for (int trial = 0; trial < 1000; trial++) {
      double[] forget = DoubleStream.generate(random::nextGaussian).limit(60).toArray();
      double[] holdout = DoubleStream.generate(() -> 1 + random.nextGaussian()).limit(80).toArray();
      Interval interval = MembershipAuc.interval(forget, holdout);
      covered += interval.getLow() <= 0.76025 && 0.76025 <= interval.getHigh() ? 1 : 0;
    }

    assertThat(covered / 1000.0).isBetween(0.92, 0.98);
  }

  @Test
  void setsThatDoNotOverlapLeaveRoom() {
    double[] low = {1, 2, 3, 4};
    double[] high = {5, 6, 7, 8, 9, 10};

    assertThat(MembershipAuc.interval(low, high)).isEqualTo(Intervals.wilson(4, 4));
    assertThat(MembershipAuc.interval(high, low)).isEqualTo(Intervals.wilson(0, 4));
  }

  /** Bisection of (p̂ − p)² = z² p (1 − p) / n between the estimate and an end of [0, 1]. */
  private static double end(int hits, int n, double from, double estimate) {
    double out = from;
    double in = estimate;
    for (int i = 0; i < 200; i++) {
      double p = (out + in) / 2;
      boolean rejected =
          Math.pow(estimate - p, 2) > Math.pow(1.959963984540054, 2) * p * (1 - p) / n;
      if (rejected) {
        out = p;
      } else {
        in = p;
      }
    }
    return hits == (from == 0 ? 0 : n) ? from : in;
  }
}
