package io.lethe.demo;

import ai.djl.ndarray.types.Shape;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.BlockRecipe;
import io.lethe.unlearning.TrainingRecipe;

/** What the demo trains, on what, and how it unlearns. */
public final class DemoRecipe {
  /** Generated images whose samples belong to people; 15 % of the labels are wrong. */
  public static final String DATASET =
      "synthetic:digits?samples=4000&subjects=100&noise=0.15&seed=1";

  private static final Integer[] CHANNELS = {16, 32, 64};
  private static final int EPOCHS = 20;
  private static final int MIN_EPOCHS = 4;
  private static final int SAMPLES_SEEN = 120_000;
  private static final int BATCH = 64;
  private static final double LEARNING_RATE = 3e-3;

  private DemoRecipe() {}

  static BlockRecipe model(Shape sample, int classes) {
    return BlockRecipe.cnn(sample, classes, CHANNELS);
  }

  /** Enough passes to memorise a small dataset; fewer over a large one. */
  static TrainingRecipe training(int samples, long seed) {
    int epochs = Math.max(MIN_EPOCHS, Math.min(EPOCHS, SAMPLES_SEEN / samples));
    return new TrainingRecipe(
        epochs, BATCH, LEARNING_RATE, TrainingRecipe.Schedule.ONE_CYCLE, 0.0, seed);
  }

  /** A policy with every default, and DeepClean at a tenth of the weights. */
  public static UnlearningPolicy policy() {
    return UnlearningPolicy.newBuilder()
        .setDeepclean(DeepCleanParameters.newBuilder().setQuantile(0.1).build())
        .setGate(GateThresholds.newBuilder().build())
        .build();
  }
}
