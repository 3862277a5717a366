package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lethe.events.Evaluation;
import io.lethe.events.GateCheck;
import io.lethe.events.GateThresholds;
import io.lethe.events.Interval;
import io.lethe.events.Verdict;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class GateTest {
  private static final int N = 1000;

  @Test
  void anIntervalWithinTheThresholdsPasses() {
    List<GateCheck> checks = gate(false).check(measured(1000, 750, 750), measured(990, 750, 750));

    assertThat(checks)
        .extracting(GateCheck::getName)
        .containsExactly("retain_drop", "holdout_drop", "forget_gap");
    assertThat(checks).extracting(GateCheck::getThreshold).containsExactly(0.05, 0.02, 0.1);
    assertThat(checks).allMatch(GateCheck::getPassed);
    assertThat(checks.subList(0, 2)).allMatch(GateCheck::getConclusive);
    assertThat(checks.get(0).getValue()).isCloseTo(0.01, within(1e-12));
    assertThat(Gate.verdict(checks, true)).isEqualTo(Verdict.RELEASE);
  }

  @Test
  void anIntervalBeyondAThresholdEscalatesAndOnTheLastRungIsHeld() {
    List<GateCheck> checks = gate(false).check(measured(1000, 750, 750), measured(900, 750, 750));

    assertThat(checks.get(0).getPassed()).isFalse();
    assertThat(checks.get(0).getConclusive()).isTrue();
    assertThat(checks.get(1).getPassed()).isTrue();
    assertThat(Gate.verdict(checks, true)).isEqualTo(Verdict.ESCALATE);
    assertThat(Gate.verdict(checks, false)).isEqualTo(Verdict.HOLD);
  }

  @Test
  void anIntervalOnBothSidesPassesOnlyWhereThePolicyIsNotStrict() {
    // Drops of 5.5 and of 4.5 points of 1000 samples: both intervals reach over 5 points
    for (int kept : new int[] {945, 955}) {
      Evaluator.Measured before = measured(1000, 750, 750);
      GateCheck lenient = gate(false).check(before, measured(kept, 750, 750)).get(0);
      GateCheck strict = gate(true).check(before, measured(kept, 750, 750)).get(0);

      assertThat(lenient.getInterval().orElseThrow().getLow()).isLessThan(0.05);
      assertThat(lenient.getInterval().orElseThrow().getHigh()).isGreaterThan(0.05);
      assertThat(lenient.getPassed()).isTrue();
      assertThat(lenient.getConclusive()).isFalse();
      assertThat(strict.getPassed()).isFalse();
    }
  }

  @Test
  void forgettingIsHeldToFromBothSidesByTheTargets() {
    Evaluator.Measured before = measured(1000, 750, 1000);
    List<GateCheck> right = gate(false).check(before, expecting(measured(1000, 750, 760), 750));
    List<GateCheck> little = gate(false).check(before, expecting(measured(1000, 750, 1000), 750));
    List<GateCheck> much = gate(false).check(before, expecting(measured(1000, 750, 450), 750));

    assertThat(check(right, "forget_gap").getPassed()).isTrue();
    assertThat(check(little, "forget_gap").getPassed()).isFalse();
    assertThat(check(much, "forget_gap").getPassed()).isFalse();
    assertThat(check(much, "forget_gap").getLeast()).contains(-0.1);
    assertThat(check(much, "forget_gap").getThreshold()).isEqualTo(0.1);
    assertThat(check(much, "forget_gap").getValue()).isCloseTo(-0.3, within(1e-12));
    assertThat(check(much, "membership_gap").getPassed()).isFalse();
    assertThat(check(much, "membership_gap").getValue()).isNegative();
    assertThat(check(little, "membership_gap").getPassed()).isFalse();
    assertThat(check(little, "membership_gap").getValue()).isPositive();
    assertThat(check(right, "membership_gap").getPassed()).isTrue();
  }

  @Test
  void withoutTargetsTheHoldoutSetStandsInWhereThePolicySaysSo() {
    Gate gate =
        new Gate(
            GateThresholds.newBuilder().setMaxForgetGap(0.05).setMaxMembershipGap(0.05).build());
    Evaluator.Measured before = measured(1000, 750, 1000);

    assertThat(check(gate.check(before, measured(1000, 750, 751)), "forget_gap").getPassed())
        .isTrue();
    assertThat(check(gate.check(before, measured(1000, 750, 600)), "forget_gap").getPassed())
        .isFalse();
    assertThat(check(gate.check(before, measured(1000, 750, 900)), "membership_gap").getPassed())
        .isFalse();
  }

  @Test
  void withoutTargetsACheckSaysThatForgettingWasNotMeasured() {
    Evaluator.Measured before = measured(1000, 750, 1000);
    Evaluator.Measured nothingForgotten = measured(1000, 750, 1000);

    for (boolean strict : new boolean[] {false, true}) {
      GateThresholds asking =
          GateThresholds.newBuilder().setStrict(strict).setHoldUnmeasured(true).build();
      GateCheck lenient = check(gate(strict).check(before, nothingForgotten), "forget_gap");
      GateCheck held = check(new Gate(asking).check(before, nothingForgotten), "forget_gap");

      assertThat(lenient.getMeasured()).isFalse();
      assertThat(lenient.getConclusive()).isFalse();
      assertThat(lenient.getPassed()).isTrue();
      assertThat(held.getMeasured()).isFalse();
      assertThat(held.getPassed()).isFalse();
    }
  }

  @Test
  void whereSomeSamplesHaveTargetsThoseAreJudgedByThem() {
    // The first 400 of 1000 have targets, which know 300 of them; the model knows all 1000, or 280.
    Evaluator.Measured before = measured(1000, 750, 1000);
    int[] covered = IntStream.range(0, 400).toArray();
    Evaluator.Expected expected = new Evaluator.Expected(covered, first(300, 400));

    List<GateCheck> known =
        gate(false).check(before, expecting(measured(1000, 750, 1000), expected));
    List<GateCheck> forgotten =
        gate(false).check(before, expecting(measured(1000, 750, 280), expected));

    assertThat(check(known, "forget_gap").getMeasured()).isTrue();
    assertThat(check(known, "forget_gap").getValue()).isCloseTo(0.25, within(1e-12));
    assertThat(check(known, "forget_gap").getPassed()).isFalse();
    assertThat(check(known, "membership_gap").getPassed()).isFalse();
    assertThat(check(forgotten, "forget_gap").getValue()).isCloseTo(-0.05, within(1e-12));
    assertThat(check(forgotten, "forget_gap").getPassed()).isTrue();
    assertThat(check(forgotten, "membership_gap").getPassed()).isTrue();
  }

  @Test
  void earlierErasedSamplesAreHeldToAsWell() {
    // 200 of 1000 forget samples are earlier ones, which came back: 5 % of all, a quarter of these
    Evaluator.Measured after = expecting(measured(1000, 750, 800), 750);
    Evaluator.OfEarlier earlier =
        new Evaluator.OfEarlier(
            first(100, 200),
            Optional.of(new Evaluator.Expected(IntStream.range(0, 200).toArray(), first(50, 200))),
            false);
    Evaluator.Measured withEarlier =
        new Evaluator.Measured(
            after.evaluation(),
            after.forget(),
            after.retain(),
            after.holdout(),
            after.expected(),
            Optional.of(earlier),
            new double[0],
            Optional.empty());

    List<GateCheck> checks = gate(false).check(measured(1000, 750, 1000), withEarlier);

    assertThat(check(checks, "forget_gap").getPassed()).isTrue();
    assertThat(check(checks, "earlier_gap").getPassed()).isFalse();
    assertThat(check(checks, "earlier_gap").getValue()).isCloseTo(0.25, within(1e-12));
  }

  @Test
  void whatAChainedReleaseDoesNotForgetAgainIsHeldToWhereSomethingSaysWhatToExpect() {
    // 180 of 200 earlier samples are known, of the holdout set three quarters
    Evaluator.Measured before = measured(1000, 750, 1000);
    Evaluator.Measured after = expecting(measured(1000, 750, 750), 750);
    int[] all = IntStream.range(0, 200).toArray();
    Evaluator.Expected expected = new Evaluator.Expected(all, first(100, 200));
    Gate named = new Gate(GateThresholds.newBuilder().setMaxForgetGap(0.05).build());
    Gate asking = new Gate(GateThresholds.newBuilder().setHoldUnmeasured(true).build());

    List<GateCheck> unknown = asking.check(before, earlier(after, Optional.empty()));
    List<GateCheck> byPolicy = named.check(before, earlier(after, Optional.empty()));
    List<GateCheck> byTargets = gate(false).check(before, earlier(after, Optional.of(expected)));

    assertThat(unknown).extracting(GateCheck::getName).doesNotContain("earlier_gap");
    assertThat(unknown).allMatch(GateCheck::getPassed);
    assertThat(check(byPolicy, "earlier_gap").getValue()).isCloseTo(0.15, within(1e-12));
    assertThat(check(byPolicy, "earlier_gap").getPassed()).isFalse();
    assertThat(check(byTargets, "earlier_gap").getValue()).isCloseTo(0.4, within(1e-12));
    assertThat(check(byTargets, "earlier_gap").getPassed()).isFalse();
  }

  private static Evaluator.Measured earlier(
      Evaluator.Measured measured, Optional<Evaluator.Expected> expected) {
    return new Evaluator.Measured(
        measured.evaluation(),
        measured.forget(),
        measured.retain(),
        measured.holdout(),
        measured.expected(),
        Optional.of(new Evaluator.OfEarlier(first(180, 200), expected, true)),
        measured.retainLogP(),
        measured.ofClasses());
  }

  @Test
  void aClassIsHeldToWhatIsStillKnownOfItAndToNoGap() {
    Gate gate =
        new Gate(
            GateThresholds.newBuilder().setMaxForgetGap(0.05).setMaxMembershipGap(0.05).build());
    Evaluator.Measured before = measured(1000, 750, 1000);

    List<GateCheck> gone = gate.check(before, ofClass(first(10, 400), first(2, 100)));
    List<GateCheck> known = gate.check(before, ofClass(first(390, 400), first(95, 100)));
    List<GateCheck> unseen = gate.check(before, ofClass(first(0, 400), first(30, 100)));
    List<GateCheck> cameBack =
        gate.check(before, earlier(ofClass(first(10, 400), first(2, 100)), Optional.empty()));

    assertThat(gone)
        .extracting(GateCheck::getName)
        .containsExactly("retain_drop", "holdout_drop", "class_accuracy", "class_holdout_accuracy");
    assertThat(gone).allMatch(GateCheck::getPassed);
    assertThat(check(gone, "class_accuracy").getValue()).isEqualTo(0.025);
    assertThat(check(gone, "class_accuracy").getThreshold()).isEqualTo(0.05);
    assertThat(check(gone, "class_accuracy").getInterval()).contains(Intervals.wilson(10, 400));
    assertThat(check(known, "class_accuracy").getPassed()).isFalse();
    assertThat(check(unseen, "class_accuracy").getPassed()).isTrue();
    assertThat(check(unseen, "class_holdout_accuracy").getPassed()).isFalse();
    assertThat(check(cameBack, "earlier_gap").getPassed()).as("single samples").isFalse();
  }

  @Test
  void aClassOfWhichNothingIsLeftToMeasureIsHeldOnlyWhereThePolicySaysSo() {
    Evaluator.Measured before = measured(1000, 750, 1000);
    Evaluator.Measured after = ofClass(first(0, 0), first(0, 0));

    GateCheck lenient = check(gate(false).check(before, after), "class_accuracy");
    List<GateCheck> onHoldout = gate(false).check(before, ofClass(first(0, 0), first(0, 100)));

    assertThat(lenient.getPassed()).isTrue();
    assertThat(lenient.getConclusive()).isFalse();
    assertThat(lenient.getMeasured()).isFalse();
    assertThat(check(gate(true).check(before, after), "class_accuracy").getPassed()).isTrue();
    for (boolean strict : new boolean[] {false, true}) {
      GateThresholds asking =
          GateThresholds.newBuilder().setStrict(strict).setHoldUnmeasured(true).build();
      assertThat(check(new Gate(asking).check(before, after), "class_accuracy").getPassed())
          .isFalse();
      assertThat(
              check(
                      new Gate(asking).check(before, ofClass(first(0, 0), first(0, 100))),
                      "class_holdout_accuracy")
                  .getPassed())
          .isTrue();
    }
    assertThat(onHoldout).allMatch(GateCheck::getMeasured);
    assertThat(onHoldout)
        .extracting(GateCheck::getName)
        .containsExactly("retain_drop", "holdout_drop", "class_holdout_accuracy");
  }

  @Test
  void aFigureThatIsNoNumberFails() {
    Evaluator.Measured after = measured(1000, 750, 750);
    Evaluation nan =
        Evaluation.newBuilder(after.evaluation())
            .setMembershipAuc(Double.NaN)
            .setMembershipAucInterval(new Interval(Double.NaN, Double.NaN))
            .build();
    Evaluator.Measured broken =
        expecting(
            new Evaluator.Measured(
                nan,
                after.forget(),
                after.retain(),
                after.holdout(),
                Optional.empty(),
                Optional.empty(),
                new double[0],
                Optional.empty()),
            750);

    GateCheck check = check(gate(false).check(measured(1000, 750, 1000), broken), "membership_gap");

    assertThat(check.getPassed()).isFalse();
    assertThat(check.getConclusive()).isFalse();
  }

  private static GateCheck check(List<GateCheck> checks, String name) {
    return checks.stream().filter(c -> c.getName().equals(name)).findFirst().orElseThrow();
  }

  private static Gate gate(boolean strict) {
    return new Gate(
        GateThresholds.newBuilder()
            .setMaxRetainDrop(0.05)
            .setMaxHoldoutDrop(0.02)
            .setStrict(strict)
            .build());
  }

  /** Right on the first samples of each set, of 1000. */
  private static Evaluator.Measured measured(int retain, int holdout, int forget) {
    Evaluator.Scores onForget = scores(forget);
    Evaluator.Scores onHoldout = scores(holdout);
    Evaluator.Attack attack = Evaluator.Attack.balanced(onForget.losses(), onHoldout.losses());
    Evaluation evaluation =
        Evaluation.newBuilder()
            .setForget(onForget.metrics())
            .setRetain(scores(retain).metrics())
            .setHoldout(onHoldout.metrics())
            .setMembershipAuc(attack.auc())
            .setMembershipAucInterval(attack.interval())
            .build();
    return new Evaluator.Measured(
        evaluation,
        onForget,
        scores(retain),
        onHoldout,
        Optional.empty(),
        Optional.empty(),
        new double[0],
        Optional.empty());
  }

  private static Evaluator.Measured expecting(Evaluator.Measured measured, int hits) {
    int[] all = IntStream.range(0, measured.forget().hits().length).toArray();
    return expecting(measured, new Evaluator.Expected(all, scores(hits)));
  }

  private static Evaluator.Measured expecting(
      Evaluator.Measured measured, Evaluator.Expected expected) {
    return new Evaluator.Measured(
        measured.evaluation(),
        measured.forget(),
        measured.retain(),
        measured.holdout(),
        Optional.of(expected),
        measured.earlier(),
        measured.retainLogP(),
        measured.ofClasses());
  }

  /** A release without a class, whose forget samples are all of it. */
  private static Evaluator.Measured ofClass(Evaluator.Scores forget, Evaluator.Scores unseen) {
    Evaluator.Measured measured = measured(1000, 750, 0);
    return new Evaluator.Measured(
        measured.evaluation(),
        forget,
        measured.retain(),
        measured.holdout(),
        Optional.empty(),
        Optional.empty(),
        new double[0],
        Optional.of(new Evaluator.OfClasses(forget, unseen)));
  }

  private static Evaluator.Scores scores(int hits) {
    return first(hits, N);
  }

  private static Evaluator.Scores first(int hits, int n) {
    double[] losses = new double[n];
    boolean[] right = new boolean[n];
    for (int i = 0; i < n; i++) {
      right[i] = i < hits;
      losses[i] = right[i] ? 0.1 : 3;
    }
    return new Evaluator.Scores(losses, right);
  }
}
