package io.lethe.unlearning;

import io.lethe.events.Evaluation;
import io.lethe.events.GateCheck;
import io.lethe.events.GateThresholds;
import java.util.List;

/** Holds a release's figures to the policy's thresholds. */
public final class Gate {
  /** Drop of the accuracy on retained samples, anchor minus release. */
  public static final String RETAIN_DROP = "retain_drop";

  /** Drop of the accuracy on the holdout set, anchor minus release. */
  public static final String HOLDOUT_DROP = "holdout_drop";

  private final GateThresholds thresholds;

  public Gate(GateThresholds thresholds) {
    this.thresholds = thresholds;
  }

  /** One check per threshold. A figure that is no number fails. */
  public List<GateCheck> check(Evaluation before, Evaluation after) {
    return List.of(
        check(
            RETAIN_DROP,
            before.getRetain().getAccuracy() - after.getRetain().getAccuracy(),
            thresholds.getMaxRetainDrop()),
        check(
            HOLDOUT_DROP,
            before.getHoldout().getAccuracy() - after.getHoldout().getAccuracy(),
            thresholds.getMaxHoldoutDrop()));
  }

  public static boolean passed(List<GateCheck> checks) {
    return checks.stream().allMatch(GateCheck::getPassed);
  }

  private static GateCheck check(String name, double value, double most) {
    return new GateCheck(name, value, most, value <= most);
  }
}
