package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.math.BigDecimal;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class SquareSumsTest {
  private static final int WIDTH = 6;

  /** Squares of up to 60,000 minibatches that span twenty orders of magnitude, large ones first. */
  @Property(tries = 20)
  void areExactToTheSixthDigitHoweverMany(
      @ForAll long seed, @ForAll @IntRange(min = 1, max = 60_000) int minibatches) {
    Random random = new Random(seed);
    BigDecimal[] exact = new BigDecimal[WIDTH];
    java.util.Arrays.fill(exact, BigDecimal.ZERO);
    double[] actual;
    try (NDManager manager = NDManager.newBaseManager()) {
      SquareSums sums = new SquareSums(manager, new Shape(WIDTH));
      for (int i = 0; i < minibatches; i++) {
        float[] squares = new float[WIDTH];
        for (int j = 0; j < WIDTH; j++) {
          boolean large = i < 3 || random.nextInt(10_000) == 0;
          squares[j] = random.nextFloat() * (large ? 1e10f : (float) Math.pow(10, 5 - 3 * j));
          exact[j] = exact[j].add(new BigDecimal(squares[j]));
        }
        try (NDManager scope = manager.newSubManager()) {
          sums.add(new NDArray[] {scope.create(squares)});
        }
      }

      actual = sums.totals()[0].toDoubleArray();
    }

    for (int j = 0; j < WIDTH; j++) {
      double expected = exact[j].doubleValue();
      assertThat(Math.abs(actual[j] - expected))
          .isLessThanOrEqualTo(expected * SquareSums.PARTIAL_ADDITIONS * 0x1p-24);
    }
  }

  @Test
  void keepAWeightThatNothingReachedAtZeroAndMayBeReadBetweenAdditions() {
    try (NDManager manager = NDManager.newBaseManager()) {
      SquareSums sums = new SquareSums(manager, new Shape(1), new Shape(2));
      sums.add(new NDArray[] {null, manager.create(new float[] {1, 2})});
      sums.totals();
      sums.add(new NDArray[] {null, manager.create(new float[] {3, 4})});

      NDArray[] totals = sums.totals();

      assertThat(totals[0].toDoubleArray()).containsExactly(0);
      assertThat(totals[1].toDoubleArray()).containsExactly(4, 6);
    }
  }
}
