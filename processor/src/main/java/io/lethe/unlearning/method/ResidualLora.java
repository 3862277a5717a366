package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.LayersInARow;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe.Schedule;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Optional;

/**
 * Residual feature alignment (Qin et al. 2024, arXiv 2411.08443): low-rank {@link Adapters} of all
 * layers are trained such that the residual features, what the adapted model's layers put out
 * beyond the anchor's, are zero on retained samples and shifted on forget samples; then they are
 * merged.
 *
 * <pre>
 *   mean_retain Σ_l ‖a_l − a⁰_l‖² / mean ‖a⁰_l‖²  +  w · max(0, h − mean_forget CE)
 * </pre>
 *
 * <p>a_l are the outputs of the layers, logits included, and a⁰_l the anchor's. How far to shift is
 * not taken from the paper: until the mean loss on the forget samples is h, that on samples which
 * the model never saw, or for whole classes four times that. The control is {@link Decoy}.
 */
public final class ResidualLora implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "residual-lora";

  private static final double CLASS_FACTOR = 4;

  /**
   * Hyperparameters.
   *
   * @param rank r of the adapters, ≥ 1; 8
   * @param alpha scale α of the adapters, > 0; 16
   * @param shiftWeight w, > 0; 1
   * @param reservoirSamples retained samples whose features are held, ≥ 1; 3000
   * @param steps updates, ≥ 1; 200
   * @param forgetBatch forget samples per step, ≥ 1; 64
   * @param retainBatch reservoir samples per step, ≥ 1; 96
   * @param learningRate Adam's rate at the peak of its one cycle, > 0; 0.005
   */
  public record Parameters(
      int rank,
      double alpha,
      double shiftWeight,
      int reservoirSamples,
      int steps,
      int forgetBatch,
      int retainBatch,
      double learningRate) {
    /** The defaults. */
    public static final Parameters DEFAULT = new Parameters(8, 16, 1, 3000, 200, 64, 96, 5e-3);

    public Parameters {
      Ranges.atLeast("rank", rank, 1);
      Ranges.positive("alpha", alpha);
      Ranges.positive("shiftWeight", shiftWeight);
      Ranges.atLeast("reservoirSamples", reservoirSamples, 1);
      Ranges.atLeast("steps", steps, 1);
      Ranges.atLeast("forgetBatch", forgetBatch, 1);
      Ranges.atLeast("retainBatch", retainBatch, 1);
      Ranges.positive("learningRate", learningRate);
    }
  }

  private final Parameters parameters;

  public ResidualLora(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.forgetSamples(task)
        .or(() -> Needs.unseenSamples(task))
        .or(() -> Needs.layersInARow(task));
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    LoadedModel model = task.model();
    LayersInARow row =
        LayersInARow.of(model)
            .orElseThrow(() -> new UnlearningException("residual-lora needs layers in a row"));
    double ceiling = Losses.unseenLoss(task) * (task.forgetClasses().isEmpty() ? 1 : CLASS_FACTOR);
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
    try (NDManager job = model.manager().newSubManager();
        Adapters adapters =
            new Adapters(
                model,
                Adapters::matrix,
                weight -> false,
                parameters.rank(),
                parameters.alpha(),
                Sampling.mix(task.seed(), Sampling.INIT))) {
      NDList anchor = model.copyWeights(job);
      FineTuning.run(
          task,
          adapters,
          parameters.steps(),
          Schedule.ONE_CYCLE,
          parameters.learningRate(),
          scope -> {
            NDArray residual = residual(task, row, anchor, scope, retained.next());
            NDArray shift =
                Losses.crossEntropy(task, scope, forget.next()).neg().add(ceiling).maximum(0);
            return residual.add(shift.mul(parameters.shiftWeight()));
          });
    }
    return FineTuning.applied(model, measured, FineTuning.since(start) - measured);
  }

  /** Sum over layers of the mean squared residual, relative to the anchor's mean square. */
  static NDArray residual(
      UnlearningTask task, LayersInARow row, NDList anchor, NDManager scope, int[] samples) {
    NDArray x = task.dataset().batch(scope, samples).get(0).toType(task.model().dataType(), false);
    NDList frozen = frozen(task.model(), row, anchor, x, scope);
    NDList features = row.run(x);
    NDArray sum = null;
    for (int l = 1; l < features.size(); l++) {
      NDArray squared =
          features
              .get(l)
              .sub(frozen.get(l))
              .square()
              .mean()
              .div(frozen.get(l).square().mean().add(1e-12));
      sum = sum == null ? squared : sum.add(squared);
    }
    return sum;
  }

  /** The anchor's features: its weights take the place of the current ones for one forward pass. */
  private static NDList frozen(
      LoadedModel model, LayersInARow row, NDList anchor, NDArray x, NDManager scope) {
    try (GradientMode off = GradientMode.off()) {
      NDList current = model.copyWeights(scope);
      model.assignWeights(anchor);
      NDList features = row.run(x);
      model.assignWeights(current);
      return features;
    }
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Decoy(this);
  }
}
