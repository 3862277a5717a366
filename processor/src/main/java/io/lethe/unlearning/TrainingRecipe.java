package io.lethe.unlearning;

/**
 * How a model is trained, and trained again without what it must forget.
 *
 * @param epochs passes over the samples, ≥ 1
 * @param batch samples per step, ≥ 2; a last step of a single sample is left out
 * @param learningRate Adam's rate at the schedule's peak
 * @param schedule how the rate moves over the steps
 * @param weightDecay L2 penalty, ≥ 0
 * @param seed of the order of samples
 */
public record TrainingRecipe(
    int epochs, int batch, double learningRate, Schedule schedule, double weightDecay, long seed) {
  public TrainingRecipe {
    if (epochs < 1 || batch < 2 || !(learningRate > 0) || !(weightDecay >= 0)) {
      throw new IllegalArgumentException(
          "a recipe needs epochs >= 1, batch >= 2, a positive learning rate and no negative decay");
    }
  }

  /** Course of the learning rate. */
  public enum Schedule {
    /** Linear rise over the first 30 % of the steps, then a cosine down to zero. */
    ONE_CYCLE,
    /** A cosine from the peak down to zero. */
    COSINE,
    /** The peak throughout. */
    CONSTANT;

    /** Rate of a step, counted from 0, of a run of {@code steps}. */
    public double rate(double peak, long step, long steps) {
      double t = (step + 0.5) / steps;
      return switch (this) {
        case ONE_CYCLE ->
            t < 0.3 ? peak * t / 0.3 : peak * 0.5 * (1 + Math.cos(Math.PI * (t - 0.3) / 0.7));
        case COSINE -> peak * 0.5 * (1 + Math.cos(Math.PI * t));
        case CONSTANT -> peak;
      };
    }
  }
}
