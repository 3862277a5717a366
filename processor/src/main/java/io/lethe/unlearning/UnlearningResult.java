package io.lethe.unlearning;

import io.lethe.events.Evaluation;
import io.lethe.events.GateCheck;
import io.lethe.events.StageSeconds;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import java.util.List;
import java.util.Optional;

/**
 * What an unlearning job found. All evaluations are on the same samples.
 *
 * @param batchFisher sum of squared gradients over the batch, at the anchor's weights
 * @param method the method whose model was written: the last that was tried and made one
 * @param selectedFraction share of the weights that it selected
 * @param before the anchor
 * @param after the new model
 * @param control the same budget spent without knowing what to forget; empty where that failed
 * @param controlMethod how: {@code random-mask} for methods that select weights
 * @param leftOut methods of the ladder that were not tried, as what they need was not given
 * @param failed methods that gave no weights, the control among them
 * @param trials thresholds that the method's search tried; empty where it searched none
 * @param forgottenClasses accuracy on holdout samples of the classes that were to be forgotten, in
 *     which the evaluations' holdout set has no part; empty without such classes or samples
 * @param checks what the verdict rests on
 * @param verdict RELEASE, or HOLD where every method of the ladder failed its gate
 * @param trueHoldout whether the model never saw the holdout samples
 * @param seconds cost; evaluate includes the control
 * @param controlSeconds what the control and measuring it took of that
 */
public record UnlearningResult(
    FisherDiagonal batchFisher,
    String method,
    double selectedFraction,
    Evaluation before,
    Evaluation after,
    Optional<Evaluation> control,
    String controlMethod,
    List<LeftOut> leftOut,
    List<Failed> failed,
    List<UnlearningMethod.Trial> trials,
    Optional<ForgottenClasses> forgottenClasses,
    List<GateCheck> checks,
    Verdict verdict,
    boolean trueHoldout,
    StageSeconds seconds,
    double controlSeconds) {
  /**
   * A method that was not tried.
   *
   * @param method its name
   * @param needs what it needs and was not given, in a few words
   */
  public record LeftOut(String method, String needs) {}

  /**
   * A method that was tried and gave no weights.
   *
   * @param method its name
   * @param reason in one line
   */
  public record Failed(String method, String reason) {}

  /**
   * What the model says of classes that it must have forgotten, on samples that it never saw.
   *
   * @param samples number of them
   * @param before share that the anchor classifies as labelled
   * @param after share that the new model does
   */
  public record ForgottenClasses(int samples, double before, double after) {}
}
