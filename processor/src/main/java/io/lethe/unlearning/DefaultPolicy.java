package io.lethe.unlearning;

import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.UnlearningPolicy;

/**
 * How a model is unlearned from whose owner says nothing: what measured best. First toward held-out
 * targets, where the model has any, then DeepClean.
 */
public final class DefaultPolicy {
  private static final double MAX_QUANTILE = 0.07;
  private static final double MIN_QUANTILE = 0.01;
  private static final double WEIGHTS_PER_SAMPLE = 1.25;

  private DefaultPolicy() {}

  /** For a model of which nothing is known. */
  public static UnlearningPolicy get() {
    return UnlearningPolicy.newBuilder()
        .setDeepclean(deepClean(MAX_QUANTILE))
        .setGate(GateThresholds.newBuilder().build())
        .build();
  }

  /**
   * For a model of which it is known how much will be erased.
   *
   * @param erasedShare share of the training samples that is to be erased until the next anchor:
   *     the share of weights that DeepClean selects follows it, from 1 % up to what was measured
   *     best at 8 %
   */
  public static UnlearningPolicy forShare(double erasedShare) {
    double quantile =
        Math.min(MAX_QUANTILE, Math.max(MIN_QUANTILE, WEIGHTS_PER_SAMPLE * erasedShare));
    return UnlearningPolicy.newBuilder(get()).setDeepclean(deepClean(quantile)).build();
  }

  /** Released batches of 2 to 8 people in 6 of 6 trials; 0.1 at a rate of 0.002 did not. */
  private static DeepCleanParameters deepClean(double quantile) {
    return DeepCleanParameters.newBuilder()
        .setQuantile(quantile)
        .setReservoirSamples(3000)
        .setRepairEpochs(6)
        .setRepairLearningRate(0.003)
        .setRepairBatch(64)
        .build();
  }
}
