package io.lethe.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class FiguresTest {
  @Test
  void theMedianIsInTheMiddleWhateverTheOrder() {
    assertThat(Figures.median(9, 1, 5)).isEqualTo(5);
    assertThat(Figures.median(9, 1, 5, 7)).isEqualTo(6);
  }

  @Test
  void aPercentileIsAValueThatWasMeasured() {
    double[] hundred = IntStream.rangeClosed(1, 100).mapToDouble(i -> 101 - i).toArray();

    assertThat(Figures.percentile(hundred, 0.5)).isEqualTo(50);
    assertThat(Figures.percentile(hundred, 0.95)).isEqualTo(95);
    assertThat(Figures.percentile(new double[] {3}, 0.99)).isEqualTo(3);
  }
}
