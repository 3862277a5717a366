package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import io.lethe.unlearning.Adam;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe.Schedule;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Optional;

/**
 * NegGrad+ (Kurmanji et al. 2023, NeurIPS, arXiv 2302.09880, section 5 and its equation of the
 * baseline): descends on retained samples and ascends on forget samples at once,
 *
 * <pre>
 *   β · mean_retain CE − (1 − β) · mean_forget CE
 * </pre>
 *
 * <p>Ascent has no end of its own, and a model that does worse on what it forgot than on what it
 * never saw gives away what it forgot. The hinge ends it: with {@code h} the anchor's mean loss on
 * samples that it never saw, the second term becomes {@code (1 − β) · max(0, h − mean_forget CE)}.
 *
 * <p>Each step takes a minibatch of the forget set and one of a retained reservoir. The control is
 * {@link Decoy}.
 */
public final class NegGradPlus implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "neggrad-plus";

  /**
   * Hyperparameters.
   *
   * @param beta β, weight of the retained samples, between 0 and 1; 0.3, which needs the hinge:
   *     without it take 0.8 or more
   * @param hinge whether ascent ends at the loss on samples that the model never saw; true
   * @param reservoirSamples retained samples that are trained on, ≥ 1; 10000
   * @param epochs passes over the reservoir, ≥ 1; 3
   * @param forgetBatch forget samples per step, ≥ 1; 64
   * @param retainBatch reservoir samples per step, ≥ 1; 64
   * @param learningRate Adam's rate at the start of its cosine, > 0; 0.0005
   */
  public record Parameters(
      double beta,
      boolean hinge,
      int reservoirSamples,
      int epochs,
      int forgetBatch,
      int retainBatch,
      double learningRate) {
    /** The defaults. */
    public static final Parameters DEFAULT = new Parameters(0.3, true, 10_000, 3, 64, 64, 5e-4);

    public Parameters {
      Ranges.between("beta", beta, 0, 1);
      Ranges.atLeast("reservoirSamples", reservoirSamples, 1);
      Ranges.atLeast("epochs", epochs, 1);
      Ranges.atLeast("forgetBatch", forgetBatch, 1);
      Ranges.atLeast("retainBatch", retainBatch, 1);
      Ranges.positive("learningRate", learningRate);
    }
  }

  private final Parameters parameters;

  public NegGradPlus(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.forgetSamples(task)
        .or(() -> parameters.hinge() ? Needs.unseenSamples(task) : Optional.empty());
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    double ceiling = parameters.hinge() ? Losses.unseenLoss(task) : Double.POSITIVE_INFINITY;
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    Minibatches retained =
        new Minibatches(
            reservoir, parameters.retainBatch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    Minibatches forget =
        new Minibatches(
            task.forget(), parameters.forgetBatch(), Sampling.mix(task.seed(), Sampling.FORGET));
    double measured = FineTuning.since(start);
    try (Adam adam = new Adam(task.model(), null, 0)) {
      FineTuning.run(
          task,
          adam,
          retained.steps(parameters.epochs()),
          Schedule.COSINE,
          parameters.learningRate(),
          scope ->
              objective(
                  Losses.crossEntropy(task, scope, retained.next()),
                  Losses.crossEntropy(task, scope, forget.next()),
                  ceiling));
    }
    return FineTuning.applied(task.model(), measured, FineTuning.since(start) - measured);
  }

  /**
   * The loss of a step.
   *
   * @param ceiling loss at which ascent ends; infinite without a hinge
   */
  NDArray objective(NDArray retain, NDArray forget, double ceiling) {
    NDArray ascent =
        Double.isInfinite(ceiling) ? forget.neg() : forget.neg().add(ceiling).maximum(0);
    return retain.mul(parameters.beta()).add(ascent.mul(1 - parameters.beta()));
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Decoy(this);
  }
}
