package io.lethe.unlearning;

import io.lethe.events.GateCheck;
import io.lethe.events.GateThresholds;
import io.lethe.events.Interval;
import io.lethe.events.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Holds a release's figures to the policy's thresholds: not the figure itself, which another sample
 * of the same size would move, but its 95 % interval.
 *
 * <p>An interval lies within the thresholds, beyond one of them, or on both sides of one. A check
 *
 * <ul>
 *   <li>passes when the interval lies within;
 *   <li>fails when it lies beyond: the data refute the release;
 *   <li>when it lies on both sides, passes and is marked as not conclusive or, where the policy is
 *       strict, fails: a strict policy wants each figure shown to hold. With the few samples of a
 *       single person hardly any interval is narrow enough for that, of a retrained model neither,
 *       so that a strict policy asks for large batches or sends every release to a person.
 * </ul>
 *
 * <p>A figure that is no number fails. All checks passed: RELEASE. Else ESCALATE to the next rung
 * of the ladder, and on the last one HOLD: a person decides.
 *
 * <p>Forgetting is held to from both sides: samples that a model knows worse than one that never
 * saw them stand out as much as samples that it knows better (the Streisand effect of Golatkar et
 * al., CVPR 2020). What it should say about them is known where there are held-out targets. The
 * holdout set is a stand-in: another person's samples may be harder or easier, so that without
 * targets only a policy that says so is held to it, and else the check says that forgetting was not
 * measured. Where some of the samples have targets, those are judged by them.
 *
 * <p>Of a whole class neither is the measure: models that never saw one of its samples know it by
 * the others, and unseen samples of other classes are classified as well as before. What a model
 * without the class says of it is never its label. Where the class's samples are gone everywhere,
 * nothing can be measured, and the check says so.
 */
public final class Gate {
  /** Drop of the accuracy on retained samples, anchor minus release. */
  public static final String RETAIN_DROP = "retain_drop";

  /** Drop of the accuracy on the holdout set, anchor minus release. */
  public static final String HOLDOUT_DROP = "holdout_drop";

  /** Accuracy on forget samples minus that of their held-out targets, or on the holdout set. */
  public static final String FORGET_GAP = "forget_gap";

  /** The same on the samples that earlier batches erased. */
  public static final String EARLIER_GAP = "earlier_gap";

  /** Membership AUC minus that of the held-out targets, or minus 0.5. */
  public static final String MEMBERSHIP_GAP = "membership_gap";

  /** Accuracy on forget samples of the classes to forget. */
  public static final String CLASS_ACCURACY = "class_accuracy";

  /** The same on those of the holdout set, which neither the anchor nor a method has seen. */
  public static final String CLASS_HOLDOUT_ACCURACY = "class_holdout_accuracy";

  /** Against held-out targets, where the policy says nothing. */
  static final double DEFAULT_GAP = 0.1;

  private final GateThresholds thresholds;

  public Gate(GateThresholds thresholds) {
    this.thresholds = thresholds;
  }

  /**
   * One check per threshold that applies.
   *
   * @param before the model unlearned from
   * @param after the release, measured by the same evaluator
   */
  public List<GateCheck> check(Evaluator.Measured before, Evaluator.Measured after) {
    List<GateCheck> checks = new ArrayList<>();
    checks.add(drop(RETAIN_DROP, before.retain(), after.retain(), thresholds.getMaxRetainDrop()));
    checks.add(
        drop(HOLDOUT_DROP, before.holdout(), after.holdout(), thresholds.getMaxHoldoutDrop()));
    checks.addAll(after.ofClasses().map(this::classes).orElseGet(() -> gaps(after)));
    after.earlier().flatMap(of -> earlierGap(of, after)).ifPresent(checks::add);
    return checks;
  }

  private List<GateCheck> gaps(Evaluator.Measured after) {
    List<GateCheck> checks = new ArrayList<>();
    checks.add(forgetGap(FORGET_GAP, after.forget(), after.expected(), after.holdout()));
    limit(thresholds.getMaxMembershipGap(), after)
        .ifPresent(most -> checks.add(membershipGap(after, most)));
    return checks;
  }

  /** Of what a chained policy has erased there are no targets any more: no person could tell. */
  private Optional<GateCheck> earlierGap(Evaluator.OfEarlier of, Evaluator.Measured after) {
    return Optional.of(forgetGap(EARLIER_GAP, of.scores(), of.expected(), after.holdout()))
        .filter(check -> check.getMeasured() || !of.apart());
  }

  /** Where no sample of the classes is left to measure on, a check that says so. */
  private List<GateCheck> classes(Evaluator.OfClasses after) {
    List<GateCheck> checks = new ArrayList<>();
    if (after.unseen().hits().length > 0) {
      checks.add(accuracy(CLASS_HOLDOUT_ACCURACY, after.unseen()));
    }
    if (after.forget().hits().length > 0) {
      checks.add(0, accuracy(CLASS_ACCURACY, after.forget()));
    }
    if (checks.isEmpty()) {
      checks.add(unmeasured(accuracy(CLASS_ACCURACY, after.forget())));
    }
    return checks;
  }

  /**
   * A check for which there is nothing to measure. To hold it to the threshold of a strict policy
   * would hold the release for good, and no other rung could do better: whether a person is to
   * decide is a question of its own.
   */
  private GateCheck unmeasured(GateCheck check) {
    return GateCheck.newBuilder(check)
        .setMeasured(false)
        .setConclusive(false)
        .setPassed(!thresholds.getHoldUnmeasured())
        .build();
  }

  private GateCheck accuracy(String name, Evaluator.Scores scores) {
    return judge(
        name,
        scores.accuracy(),
        Intervals.wilson(scores.correct(), scores.hits().length),
        Optional.empty(),
        thresholds.getMaxClassAccuracy());
  }

  public static boolean passed(List<GateCheck> checks) {
    return checks.stream().allMatch(GateCheck::getPassed);
  }

  /**
   * @param anotherRung whether the ladder goes on
   */
  public static Verdict verdict(List<GateCheck> checks, boolean anotherRung) {
    return passed(checks) ? Verdict.RELEASE : anotherRung ? Verdict.ESCALATE : Verdict.HOLD;
  }

  private static Optional<Double> limit(Optional<Double> threshold, Evaluator.Measured after) {
    return threshold.or(() -> after.expected().map(targets -> DEFAULT_GAP));
  }

  private GateCheck drop(
      String name, Evaluator.Scores before, Evaluator.Scores after, double most) {
    return judge(
        name, before.accuracy() - after.accuracy(), paired(before, after), Optional.empty(), most);
  }

  /**
   * Of those samples that have a target; where none has one, of all against the holdout set, if the
   * policy holds them to that.
   */
  private GateCheck forgetGap(
      String name,
      Evaluator.Scores all,
      Optional<Evaluator.Expected> expected,
      Evaluator.Scores holdout) {
    int samples = expected.map(some -> some.covered().length).orElse(0);
    double most = thresholds.getMaxForgetGap().orElse(DEFAULT_GAP);
    if (samples > 0) {
      Evaluator.Scores targets = expected.orElseThrow().scores();
      Evaluator.Scores forget = all.of(expected.orElseThrow().covered());
      return judge(
          name,
          forget.accuracy() - targets.accuracy(),
          paired(forget, targets),
          Optional.of(-most),
          most);
    }
    GateCheck check =
        judge(
            name,
            all.accuracy() - holdout.accuracy(),
            Intervals.difference(
                all.correct(), all.hits().length, holdout.correct(), holdout.hits().length),
            Optional.of(-most),
            most);
    return thresholds.getMaxForgetGap().isPresent() ? check : unmeasured(check);
  }

  private GateCheck membershipGap(Evaluator.Measured after, double most) {
    double[] holdout = after.holdout().losses();
    Optional<Evaluator.Expected> expected = after.expected();
    boolean partial =
        expected.filter(of -> of.covered().length < after.forget().hits().length).isPresent();
    double auc = after.evaluation().getMembershipAuc();
    Interval interval = after.evaluation().getMembershipAucInterval().orElseThrow();
    if (partial) {
      Evaluator.Attack attack =
          Evaluator.Attack.balanced(
              after.forget().of(expected.orElseThrow().covered()).losses(), holdout);
      auc = attack.auc();
      interval = attack.interval();
    }
    double unseen =
        expected
            .map(of -> Evaluator.Attack.balanced(of.scores().losses(), holdout).auc())
            .orElse(0.5);
    return judge(
        MEMBERSHIP_GAP,
        auc - unseen,
        new Interval(interval.getLow() - unseen, interval.getHigh() - unseen),
        Optional.of(-most),
        most);
  }

  private static Interval paired(Evaluator.Scores first, Evaluator.Scores second) {
    int onlyFirst = 0;
    int onlySecond = 0;
    for (int i = 0; i < first.hits().length; i++) {
      onlyFirst += first.hits()[i] && !second.hits()[i] ? 1 : 0;
      onlySecond += second.hits()[i] && !first.hits()[i] ? 1 : 0;
    }
    return Intervals.pairedDifference(onlyFirst, onlySecond, first.hits().length);
  }

  private GateCheck judge(
      String name, double value, Interval interval, Optional<Double> least, double most) {
    double lower = least.orElse(Double.NEGATIVE_INFINITY);
    boolean within = interval.getLow() >= lower && interval.getHigh() <= most;
    boolean beyond = interval.getLow() > most || interval.getHigh() < lower;
    boolean number =
        Double.isFinite(value)
            && Double.isFinite(interval.getLow())
            && Double.isFinite(interval.getHigh());
    return GateCheck.newBuilder()
        .setName(name)
        .setValue(value)
        .setThreshold(most)
        .setLeast(least.orElse(null))
        .setInterval(interval)
        .setConclusive(number && (within || beyond))
        .setPassed(number && (thresholds.getStrict() ? within : !beyond))
        .build();
  }
}
