package io.lethe.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;

class FisherDiagonalTest {
  @Test
  void minusUndoesPlus() {
    FisherDiagonal retained = diagonal(7, 1f, 2f, 4f);
    FisherDiagonal batch = diagonal(3, 8f, 0f, 16f);

    FisherDiagonal result = retained.plus(batch).minus(batch);

    assertThat(result.samples()).isEqualTo(7);
    assertThat(result.tensors().get(0).values()).containsExactly(1f, 2f, 4f);
  }

  @Test
  void aSumOfSquaresNeverFallsBelowZero() {
    FisherDiagonal result = diagonal(2, 1f, 0f, 0f).minus(diagonal(1, 1.0000001f, 0f, 0f));

    assertThat(result.tensors().get(0).values()).containsExactly(0f, 0f, 0f);
  }

  @Test
  void refusesToSubtractMoreSamplesThanItSums() {
    assertThatThrownBy(() -> diagonal(2, 1f, 1f, 1f).minus(diagonal(3, 1f, 1f, 1f)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("cannot take 3 samples from a sum over 2");
  }

  @Test
  void refusesAnotherModelsTensors() {
    FisherDiagonal other =
        new FisherDiagonal(
            List.of(new FisherDiagonal.Tensor("other", List.of(3L), new float[3])), 1);

    assertThatThrownBy(() -> diagonal(2, 1f, 1f, 1f).plus(other))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("tensor w [3] meets other [3]");
  }

  @Test
  void sixtyThousandSmallSquaresBesideALargeOneLoseNothing() {
    // In float32 the sum would stay at 1e4: each 1e-4 is below half a unit of its last digit.
    FisherAccumulator sums = new FisherAccumulator(List.of("w"), List.of(List.of(1L)));
    sums.add(0, new float[] {1e4f});
    for (int i = 0; i < 60_000; i++) {
      sums.add(0, new float[] {1e-4f});
    }
    sums.countSamples(60_001);

    FisherDiagonal diagonal = sums.toDiagonal();

    assertThat(diagonal.samples()).isEqualTo(60_001);
    assertThat(diagonal.tensors().get(0).values()[0]).isEqualTo(10_006f);
  }

  private static FisherDiagonal diagonal(long samples, float... values) {
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("w", List.of((long) values.length), values)), samples);
  }
}
