package io.lethe.unlearning.method;

import io.lethe.events.UnlearningPolicy;

/**
 * Hyperparameters of {@link HeldoutMatch}.
 *
 * @param reservoirSamples retained samples whose outputs are held, ≥ 1
 * @param steps updates at most, ≥ 1
 * @param roundSteps updates of a round, ≥ 1
 * @param tolerance root mean square of the forget samples' margins' distance from their targets',
 *     in nats, at which no further round follows, ≥ 0
 * @param forgetBatch forget samples per step, ≥ 1
 * @param retainBatch reservoir samples per step, ≥ 1
 * @param learningRate Adam's rate at the peak of a round's cycle
 * @param squareWeight weight of the mean squared difference of log-probabilities, beside the
 *     divergence, on forget samples
 * @param holdWeight the same on the reservoir; null stands for that on the forget samples
 * @param marginWeight weight of the squared difference of the label's margins, on forget samples
 * @param trainedShare share of all weights that is trained, above 0, at most 1: of a model whose
 *     layers follow each other the last layers that hold it; of any other model all are
 */
public record HeldoutMatchParameters(
    int reservoirSamples,
    int steps,
    int roundSteps,
    double tolerance,
    int forgetBatch,
    int retainBatch,
    double learningRate,
    double squareWeight,
    Double holdWeight,
    double marginWeight,
    double trainedShare) {
  /** What measured best; what else was tried stands in docs/comparison.md. */
  public static final HeldoutMatchParameters DEFAULT =
      new HeldoutMatchParameters(10_000, 600, 100, 0.3, 128, 96, 2e-3, 0.1, null, 0.1, 0.9);

  /** As a policy says them: its record, and above it its text by the method's name. */
  static HeldoutMatchParameters of(UnlearningPolicy policy) {
    return ParameterText.read(policy, HeldoutMatch.NAME, of(policy.getHeldoutMatch()));
  }

  private static HeldoutMatchParameters of(io.lethe.events.HeldoutMatchParameters policy) {
    return new HeldoutMatchParameters(
        policy.getReservoirSamples(),
        policy.getSteps(),
        policy.getRoundSteps(),
        policy.getTolerance(),
        policy.getForgetBatch(),
        policy.getRetainBatch(),
        policy.getLearningRate(),
        policy.getSquareWeight(),
        policy.getHoldWeight().orElse(null),
        policy.getMarginWeight(),
        policy.getTrainedShare());
  }

  /** As a policy holds them. */
  public io.lethe.events.HeldoutMatchParameters toPolicy() {
    return io.lethe.events.HeldoutMatchParameters.newBuilder()
        .setReservoirSamples(reservoirSamples)
        .setSteps(steps)
        .setRoundSteps(roundSteps)
        .setTolerance(tolerance)
        .setForgetBatch(forgetBatch)
        .setRetainBatch(retainBatch)
        .setLearningRate(learningRate)
        .setSquareWeight(squareWeight)
        .setHoldWeight(holdWeight)
        .setMarginWeight(marginWeight)
        .setTrainedShare(trainedShare)
        .build();
  }

  /** The same with another number of updates at most. */
  HeldoutMatchParameters withSteps(int other) {
    return new HeldoutMatchParameters(
        reservoirSamples,
        other,
        roundSteps,
        tolerance,
        forgetBatch,
        retainBatch,
        learningRate,
        squareWeight,
        holdWeight,
        marginWeight,
        trainedShare);
  }

  HeldoutMatch.Weights weights() {
    return new HeldoutMatch.Weights(squareWeight, holdWeight, marginWeight);
  }

  public HeldoutMatchParameters {
    holdWeight = holdWeight == null ? Double.valueOf(squareWeight) : holdWeight;
    if (reservoirSamples < 1
        || steps < 1
        || roundSteps < 1
        || !(tolerance >= 0)
        || forgetBatch < 1
        || retainBatch < 1
        || !(learningRate > 0)
        || !(squareWeight >= 0)
        || !(holdWeight >= 0)
        || !(marginWeight >= 0)
        || !(trainedShare > 0 && trainedShare <= 1)) {
      throw new IllegalArgumentException(
          "heldout-match takes positive counts and rates, no negative weight, and a trained share"
              + " above 0, at most 1");
    }
  }
}
