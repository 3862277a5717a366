package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.Sgd;
import io.lethe.unlearning.TrainingRecipe.Schedule;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * Masked small gradients: the entry that came second in the NeurIPS 2023 machine unlearning
 * challenge (Triantafillou et al. 2024, arXiv 2406.09073, appendix "2nd place").
 *
 * <p>With {@code g = ∇ (mean_retain CE − mean_forget CE)} at the anchor, the share of convolution
 * weights with the smallest {@code |g|} is drawn anew, and the model is fine-tuned on retained
 * samples by SGD with momentum; gradients of all other weights are scaled down. As many retained as
 * forget samples enter {@code g}. A drawn weight is N(0, 2 / fan-in), as in He et al. 2015 (arXiv
 * 1502.01852).
 *
 * <p>The control is {@link RandomReset}: as many weights per tensor, chosen at random.
 */
public final class MaskedSmallGradients implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "msg";

  private static final int CONVOLUTION = 4;

  /**
   * Hyperparameters.
   *
   * @param share of all convolution weights that is drawn anew, between 0 and 1; 0.3
   * @param otherScale factor of the gradients of all other weights, 0 to 1; 0.1
   * @param reservoirSamples retained samples that are trained on, ≥ 1; 10000
   * @param epochs passes over them, ≥ 1; 5
   * @param batch samples per step, ≥ 1; 64
   * @param learningRate SGD's rate at the start of its cosine, > 0; 0.001
   * @param momentum 0 to below 1; 0.9
   * @param weightDecay L2, ≥ 0; 0.0005
   */
  public record Parameters(
      double share,
      double otherScale,
      int reservoirSamples,
      int epochs,
      int batch,
      double learningRate,
      double momentum,
      double weightDecay) {
    /** The defaults: the entry's, but for the reservoir. */
    public static final Parameters DEFAULT =
        new Parameters(0.3, 0.1, 10_000, 5, 64, 1e-3, 0.9, 5e-4);

    public Parameters {
      Ranges.between("share", share, 0, 1);
      Ranges.within("otherScale", otherScale, 0, 1);
      Ranges.atLeast("reservoirSamples", reservoirSamples, 1);
      Ranges.atLeast("epochs", epochs, 1);
      Ranges.atLeast("batch", batch, 1);
      Ranges.positive("learningRate", learningRate);
      Ranges.require(momentum >= 0 && momentum < 1, "momentum must be 0 to below 1");
      Ranges.notNegative("weightDecay", weightDecay);
    }
  }

  private final Parameters parameters;

  public MaskedSmallGradients(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.forgetSamples(task)
        .or(
            () ->
                Needs.unless(
                    task.model().weights().stream().anyMatch(MaskedSmallGradients::convolution),
                    "convolution layers"));
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    task.progress().at(JobStage.METHOD, 0, 1);
    List<BitSet> selection = smallest(task);
    task.progress().at(JobStage.METHOD, 1, 1);
    return resetAndTune(task, selection, start);
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new RandomReset(applied.selected());
  }

  /** The share of convolution weights of the smallest |g|; of equal ones the first. */
  private List<BitSet> smallest(UnlearningTask task) {
    LoadedModel model = task.model();
    int[] retained =
        Sampling.choose(
            task.repairPool(),
            task.forget().length,
            Sampling.mix(task.seed(), Sampling.CALIBRATION));
    try (NDManager scope = model.manager().newSubManager()) {
      NDList retain = Gradients.mean(model, task.dataset(), retained, scope);
      NDList forget = Gradients.mean(model, task.dataset(), task.forget(), scope);
      float[][] inverse = new float[retain.size()][];
      int convolutionWeights = 0;
      int all = 0;
      for (int t = 0; t < inverse.length; t++) {
        float[] magnitude =
            retain.get(t).sub(forget.get(t)).abs().toType(DataType.FLOAT32, false).toFloatArray();
        boolean candidate = convolution(model.weights().get(t));
        inverse[t] = new float[magnitude.length];
        for (int i = 0; i < magnitude.length; i++) {
          inverse[t][i] = candidate ? 1 / magnitude[i] : 0;
        }
        convolutionWeights += candidate ? magnitude.length : 0;
        all += magnitude.length;
      }
      return DeepClean.highest(inverse, parameters.share() * convolutionWeights / all);
    }
  }

  private static boolean convolution(LoadedModel.Weight weight) {
    return weight.array().getShape().dimension() == CONVOLUTION;
  }

  private Applied resetAndTune(UnlearningTask task, List<BitSet> selection, long start) {
    LoadedModel model = task.model();
    reset(task, selection);
    double changed = FineTuning.since(start);
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    Minibatches retained =
        new Minibatches(reservoir, parameters.batch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    try (NDManager job = model.manager().newSubManager()) {
      NDList scales = scales(job, model, selection);
      try (Sgd sgd = new Sgd(model, scales, parameters.momentum(), parameters.weightDecay())) {
        FineTuning.run(
            task,
            sgd,
            retained.steps(parameters.epochs()),
            Schedule.COSINE,
            parameters.learningRate(),
            scope -> Losses.crossEntropy(task, scope, retained.next()));
      }
    }
    List<Integer> selected = selection.stream().map(BitSet::cardinality).toList();
    long weights =
        model.weights().stream().mapToLong(weight -> weight.array().getShape().size()).sum();
    return new Applied(selected, weights, changed, FineTuning.since(start) - changed);
  }

  private static void reset(UnlearningTask task, List<BitSet> selection) {
    Random random = new Random(Sampling.mix(task.seed(), Sampling.INIT));
    try (GradientMode off = GradientMode.off();
        NDManager scope = task.model().manager().newSubManager()) {
      for (int t = 0; t < selection.size(); t++) {
        NDArray array = task.model().weights().get(t).array();
        if (selection.get(t).isEmpty()) {
          continue;
        }
        double[] values = array.toType(DataType.FLOAT64, true).toDoubleArray();
        double deviation = Math.sqrt(2.0 * array.getShape().get(0) / array.getShape().size());
        selection.get(t).stream().forEach(i -> values[i] = deviation * random.nextGaussian());
        scope.create(values, array.getShape()).toType(array.getDataType(), false).copyTo(array);
      }
    }
  }

  private NDList scales(NDManager job, LoadedModel model, List<BitSet> selection) {
    NDList scales = new NDList();
    for (int t = 0; t < selection.size(); t++) {
      NDArray array = model.weights().get(t).array();
      float[] scale = new float[(int) array.getShape().size()];
      Arrays.fill(scale, (float) parameters.otherScale());
      selection.get(t).stream().forEach(i -> scale[i] = 1);
      scales.add(job.create(scale, array.getShape()).toType(array.getDataType(), false));
    }
    return scales;
  }

  /** As many weights per tensor, chosen at random, drawn anew and fine-tuned in the same way. */
  private final class RandomReset implements UnlearningMethod {
    private final List<Integer> selected;

    RandomReset(List<Integer> selected) {
      this.selected = selected;
    }

    @Override
    public String name() {
      return "random-reset";
    }

    @Override
    public Applied apply(UnlearningTask task) {
      Random random = new Random(Sampling.mix(task.seed(), Sampling.MASK));
      List<BitSet> selection = new ArrayList<>();
      for (int t = 0; t < selected.size(); t++) {
        int size = (int) task.model().weights().get(t).array().getShape().size();
        selection.add(RandomMask.choose(size, selected.get(t), random));
      }
      return resetAndTune(task, selection, System.nanoTime());
    }

    @Override
    public UnlearningMethod control(Applied applied) {
      return this;
    }
  }
}
