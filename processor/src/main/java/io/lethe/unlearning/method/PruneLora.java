package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe.Schedule;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * PruneLoRA (Mittal 2024, AAAI student abstract, arXiv 2411.11907, "prune first, then adapt, then
 * unlearn"): in every hidden layer the share of output channels with the smallest L2 norm is set to
 * zero, then low-rank {@link Adapters} of all hidden layers and the whole last layer are trained on
 * retained samples, and merged. What the pruned channels held and no retained sample needs does not
 * come back. The last layer is the last weight of at least two dimensions and the bias after it.
 *
 * <p>The control does the same with the forget samples among the rest.
 */
public final class PruneLora implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "prune-lora";

  /**
   * Hyperparameters; the defaults are those of the authors' code, but for the reservoir.
   *
   * @param pruneShare share of each hidden layer's output channels that is set to zero, 0 to below
   *     1; 0.5
   * @param rank r of the adapters, ≥ 1; 8
   * @param alpha scale α of the adapters, > 0; 16
   * @param reservoirSamples retained samples that are trained on, ≥ 1; 10000
   * @param epochs passes over them, ≥ 1; 5
   * @param batch samples per step, ≥ 1; 128
   * @param learningRate Adam's, > 0; 0.001
   */
  public record Parameters(
      double pruneShare,
      int rank,
      double alpha,
      int reservoirSamples,
      int epochs,
      int batch,
      double learningRate) {
    /** The defaults. */
    public static final Parameters DEFAULT = new Parameters(0.5, 8, 16, 10_000, 5, 128, 1e-3);

    public Parameters {
      Ranges.require(
          pruneShare >= 0 && pruneShare < 1, "pruneShare must be 0 to below 1, not %s", pruneShare);
      Ranges.atLeast("rank", rank, 1);
      Ranges.positive("alpha", alpha);
      Ranges.atLeast("reservoirSamples", reservoirSamples, 1);
      Ranges.atLeast("epochs", epochs, 1);
      Ranges.atLeast("batch", batch, 1);
      Ranges.positive("learningRate", learningRate);
    }
  }

  private final Parameters parameters;

  public PruneLora(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.unless(
        task.model().weights().stream().filter(Adapters::matrix).count() > 1, "hidden layers");
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    LoadedModel model = task.model();
    List<LoadedModel.Weight> weights = model.weights();
    int head =
        IntStream.range(0, weights.size())
            .filter(t -> Adapters.matrix(weights.get(t)))
            .max()
            .orElseThrow();
    List<LoadedModel.Weight> last = weights.subList(head, weights.size());
    prune(model, last);
    task.progress().at(JobStage.METHOD, 1, 1);
    double pruned = FineTuning.since(start);
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    Minibatches retained =
        new Minibatches(reservoir, parameters.batch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    try (Adapters adapters =
        new Adapters(
            model,
            weight -> Adapters.matrix(weight) && !last.contains(weight),
            last::contains,
            parameters.rank(),
            parameters.alpha(),
            Sampling.mix(task.seed(), Sampling.INIT))) {
      FineTuning.run(
          task,
          adapters,
          retained.steps(parameters.epochs()),
          Schedule.CONSTANT,
          parameters.learningRate(),
          scope -> Losses.crossEntropy(task, scope, retained.next()));
    }
    return FineTuning.applied(model, pruned, FineTuning.since(start) - pruned);
  }

  private void prune(LoadedModel model, List<LoadedModel.Weight> last) {
    try (GradientMode off = GradientMode.off();
        NDManager scope = model.manager().newSubManager()) {
      for (LoadedModel.Weight weight : model.weights()) {
        if (Adapters.matrix(weight) && !last.contains(weight)) {
          NDArray array = weight.array();
          int channels = (int) array.getShape().get(0);
          scope.tempAttachAll(array);
          double[] norms =
              array
                  .reshape(channels, -1)
                  .toType(DataType.FLOAT64, false)
                  .square()
                  .sum(new int[] {1})
                  .toDoubleArray();
          float[] keep = keep(norms);
          long[] shape = new long[array.getShape().dimension()];
          Arrays.fill(shape, 1);
          shape[0] = channels;
          array.muli(scope.create(keep).reshape(shape).toType(array.getDataType(), false));
        }
      }
    }
  }

  /** 0 for the share of the smallest, 1 for the rest; of equal ones the first go. */
  float[] keep(double[] norms) {
    float[] keep = new float[norms.length];
    Arrays.fill(keep, 1);
    IntStream.range(0, norms.length)
        .boxed()
        .sorted(Comparator.comparingDouble(channel -> norms[channel]))
        .limit(Math.round(parameters.pruneShare() * norms.length))
        .forEach(channel -> keep[channel] = 0);
    return keep;
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new OnEverything(this);
  }
}
