package io.lethe.unlearning.method;

import io.lethe.unlearning.Adam;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe.Schedule;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;

/**
 * Fine-tunes all weights on retained samples, so that the model may forget the rest by itself: the
 * baseline "Finetune" of Golatkar et al. 2020 (CVPR, arXiv 1911.04933, section 6). It minimises the
 * mean cross-entropy over a seeded reservoir of retained samples by Adam.
 *
 * <p>Claims nothing but to keep the retained samples; forgets what its rate makes it forget. Its
 * control trains in the same way with the forget samples among the rest.
 */
public final class FineTune implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "fine-tune";

  /**
   * Hyperparameters.
   *
   * @param reservoirSamples retained samples that are trained on, ≥ 1; 3000
   * @param epochs passes over them, ≥ 1; 3
   * @param batch samples per step, ≥ 1; 64
   * @param learningRate Adam's rate at the peak of its one cycle, > 0; 0.001
   */
  public record Parameters(int reservoirSamples, int epochs, int batch, double learningRate) {
    /** The defaults. */
    public static final Parameters DEFAULT = new Parameters(3000, 3, 64, 1e-3);

    public Parameters {
      Ranges.atLeast("reservoirSamples", reservoirSamples, 1);
      Ranges.atLeast("epochs", epochs, 1);
      Ranges.atLeast("batch", batch, 1);
      Ranges.positive("learningRate", learningRate);
    }
  }

  private final Parameters parameters;

  public FineTune(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    Minibatches retained =
        new Minibatches(reservoir, parameters.batch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    try (Adam adam = new Adam(task.model(), null, 0)) {
      FineTuning.run(
          task,
          adam,
          retained.steps(parameters.epochs()),
          Schedule.ONE_CYCLE,
          parameters.learningRate(),
          scope -> Losses.crossEntropy(task, scope, retained.next()));
    }
    return FineTuning.applied(task.model(), 0, FineTuning.since(start));
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new OnEverything(this);
  }
}
