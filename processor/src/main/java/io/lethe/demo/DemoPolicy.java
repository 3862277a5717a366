package io.lethe.demo;

import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.UnlearningPolicy;
import io.lethe.unlearning.DemoRecipe;
import io.lethe.unlearning.TrainingRecipe;

/** How the demo's model is trained on a dataset of any size, and when and how it unlearns. */
public final class DemoPolicy {
  /** Passes over a dataset that is much larger than the generated one. */
  private static final int MIN_EPOCHS = 3;

  /** Samples that training sees at most before it is content with {@link #MIN_EPOCHS}. */
  private static final int SAMPLES_SEEN = 120_000;

  private static final double MIN_QUANTILE = 0.01;
  private static final double WEIGHTS_PER_SAMPLE = 1.25;

  private DemoPolicy() {}

  static TrainingRecipe training(int samples, long seed) {
    TrainingRecipe recipe = DemoRecipe.TRAINING;
    int epochs = Math.max(MIN_EPOCHS, Math.min(recipe.epochs(), SAMPLES_SEEN / samples));
    return new TrainingRecipe(
        epochs,
        recipe.batch(),
        recipe.learningRate(),
        recipe.schedule(),
        recipe.weightDecay(),
        seed);
  }

  /**
   * Every default, with the demo's DeepClean.
   *
   * @param erasedShare share of the training samples that is to be erased until the next anchor:
   *     the share of weights that is selected follows it, from 1 % up to what was measured best at
   *     8 %
   */
  public static UnlearningPolicy policy(double erasedShare) {
    double most = DemoRecipe.deepClean().getQuantile().orElseThrow();
    double quantile = Math.min(most, Math.max(MIN_QUANTILE, WEIGHTS_PER_SAMPLE * erasedShare));
    return UnlearningPolicy.newBuilder(defaults())
        .setDeepclean(
            DeepCleanParameters.newBuilder(DemoRecipe.deepClean()).setQuantile(quantile).build())
        .build();
  }

  /** What a model gets that is registered without a policy. */
  public static UnlearningPolicy defaults() {
    return UnlearningPolicy.newBuilder()
        .setDeepclean(DemoRecipe.deepClean())
        .setGate(GateThresholds.newBuilder().build())
        .build();
  }
}
