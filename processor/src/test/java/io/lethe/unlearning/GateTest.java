package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.Evaluation;
import io.lethe.events.GateCheck;
import io.lethe.events.GateThresholds;
import io.lethe.events.SetMetrics;
import java.util.List;
import org.junit.jupiter.api.Test;

class GateTest {
  private final Gate gate = new Gate(new GateThresholds(0.05, 0.02));

  @Test
  void passesUpToTheThreshold() {
    List<GateCheck> checks = gate.check(evaluation(1, 0.75), evaluation(0.95, 0.74));

    assertThat(checks)
        .extracting(GateCheck::getName)
        .containsExactly("retain_drop", "holdout_drop");
    assertThat(checks).extracting(GateCheck::getThreshold).containsExactly(0.05, 0.02);
    assertThat(checks.get(1).getValue()).isEqualTo(0.75 - 0.74);
    assertThat(Gate.passed(gate.check(evaluation(1, 0.75), evaluation(1.0, 0.74)))).isTrue();
  }

  @Test
  void oneFigureAboveItsThresholdFailsTheRelease() {
    assertThat(Gate.passed(gate.check(evaluation(1, 0.75), evaluation(0.9, 0.75)))).isFalse();
    assertThat(Gate.passed(gate.check(evaluation(1, 0.75), evaluation(1, 0.7)))).isFalse();
  }

  @Test
  void aFigureThatIsNoNumberFails() {
    assertThat(Gate.passed(gate.check(evaluation(1, 0.75), evaluation(Double.NaN, 0.75))))
        .isFalse();
  }

  private static Evaluation evaluation(double retain, double holdout) {
    return new Evaluation(
        new SetMetrics(1.0, 0.0, 1),
        new SetMetrics(retain, 0.0, 1),
        new SetMetrics(holdout, 0.0, 1),
        0.5);
  }
}
