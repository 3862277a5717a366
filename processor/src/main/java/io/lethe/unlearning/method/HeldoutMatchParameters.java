package io.lethe.unlearning.method;

/**
 * Hyperparameters of {@link HeldoutMatch}.
 *
 * @param reservoirSamples retained samples whose outputs are held, ≥ 1
 * @param steps updates, ≥ 1
 * @param forgetBatch forget samples per step, ≥ 1
 * @param retainBatch reservoir samples per step, ≥ 1
 * @param learningRate Adam's rate at the peak of its one cycle
 * @param squareWeight weight of the squared difference of log-probabilities, beside the divergence
 */
public record HeldoutMatchParameters(
    int reservoirSamples,
    int steps,
    int forgetBatch,
    int retainBatch,
    double learningRate,
    double squareWeight) {
  /** What measured best; what else was tried stands in docs/comparison.md. */
  public static final HeldoutMatchParameters DEFAULT =
      new HeldoutMatchParameters(10_000, 300, 64, 96, 2e-3, 0.1);

  /** As a policy says them. */
  static HeldoutMatchParameters of(io.lethe.events.HeldoutMatchParameters policy) {
    return new HeldoutMatchParameters(
        policy.getReservoirSamples(),
        policy.getSteps(),
        policy.getForgetBatch(),
        policy.getRetainBatch(),
        policy.getLearningRate(),
        policy.getSquareWeight());
  }

  public HeldoutMatchParameters {
    if (reservoirSamples < 1
        || steps < 1
        || forgetBatch < 1
        || retainBatch < 1
        || !(learningRate > 0)
        || !(squareWeight >= 0)) {
      throw new IllegalArgumentException(
          "heldout-match takes positive counts and rates, and no negative weight");
    }
  }
}
