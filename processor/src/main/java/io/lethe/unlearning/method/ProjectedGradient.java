package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.LayersInARow;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.SymmetricEigen;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Projected gradient unlearning (Hoang et al. 2024, WACV, arXiv 2312.04095, section 3): climbs the
 * loss of the forget samples in directions that retained samples do not see.
 *
 * <p>The gradient of a layer's weight lies in the span of the layer's inputs. With {@code C = Σ a
 * aᵀ} over the inputs a of retained samples (for a convolution, over their patches), {@code C = U
 * S² Uᵀ}, the first k columns of U, as many as hold no more than the share of the sum of S that is
 * to be kept, are the core gradient space. Every step takes the part outside of it,
 *
 * <pre>
 *   W ← W − rate · ∇_W L (I − U_k U_kᵀ),    L = −mean log(1 − p_y + o) − e · entropy
 * </pre>
 *
 * <p>As in the authors' code C is taken from the samples that are left, biases and normalisations
 * stay as they are, the rate falls exponentially, and a layer without a projection is not trained:
 * here one with more than {@value #MOST_INPUTS} inputs, or whose patches cannot be cut out (stride
 * or dilation). Ends after the epoch in which the accuracy on forget samples is no higher than on
 * samples that the model never saw; for whole classes, in which it is zero. The control is {@link
 * Decoy}.
 */
public final class ProjectedGradient implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "pgu";

  static final int MOST_INPUTS = 4_096;
  private static final int BATCH = 128;

  /**
   * Hyperparameters.
   *
   * @param kept share of the singular values that spans the core gradient space, between 0 and 1;
   *     0.95
   * @param offset o, keeps the logarithm finite, between 0 and 1; 0.05
   * @param entropyWeight e, ≥ 0; 0.2
   * @param retainSamples retained samples whose inputs are summed, ≥ 1; 2000
   * @param epochs passes over the forget set at most, ≥ 1; 100
   * @param batch forget samples per step, ≥ 1; 100
   * @param startRate rate in the first epoch, > 0; 0.05
   * @param endRate rate in the last, > 0; 0.01
   */
  public record Parameters(
      double kept,
      double offset,
      double entropyWeight,
      int retainSamples,
      int epochs,
      int batch,
      double startRate,
      double endRate) {
    /** The defaults: rates, offset and entropy's weight of the authors' configurations. */
    public static final Parameters DEFAULT =
        new Parameters(0.95, 0.05, 0.2, 2000, 100, 100, 0.05, 0.01);

    public Parameters {
      Ranges.between("kept", kept, 0, 1);
      Ranges.between("offset", offset, 0, 1);
      Ranges.notNegative("entropyWeight", entropyWeight);
      Ranges.atLeast("retainSamples", retainSamples, 1);
      Ranges.atLeast("epochs", epochs, 1);
      Ranges.atLeast("batch", batch, 1);
      Ranges.positive("startRate", startRate);
      Ranges.positive("endRate", endRate);
    }
  }

  private final Parameters parameters;

  public ProjectedGradient(Parameters parameters) {
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
            .orElseThrow(() -> new UnlearningException("pgu needs layers in a row"));
    task.progress().at(JobStage.METHOD, 0, 1);
    try (NDManager job = model.manager().newSubManager()) {
      Map<NDArray, NDArray> outside = projections(task, row, job);
      task.progress().at(JobStage.METHOD, 1, 1);
      double prepared = FineTuning.since(start);
      climb(task, outside);
      List<Integer> selected =
          model.weights().stream()
              .map(w -> outside.containsKey(w.array()) ? (int) w.array().size() : 0)
              .toList();
      return new Applied(
          selected,
          model.weights().stream().mapToLong(w -> w.array().size()).sum(),
          prepared,
          FineTuning.since(start) - prepared);
    }
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Decoy(this);
  }

  /** {@code I − U_k U_kᵀ} of each weight that can be trained, (inputs, inputs). */
  Map<NDArray, NDArray> projections(UnlearningTask task, LayersInARow row, NDManager job) {
    int[] retained =
        Sampling.choose(
            task.repairPool(),
            parameters.retainSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    Map<NDArray, NDArray> sums = new IdentityHashMap<>();
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < retained.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(retained, from, Math.min(retained.length, from + BATCH));
        try (NDManager scope = job.newSubManager()) {
          NDArray x =
              task.dataset().batch(scope, batch).get(0).toType(task.model().dataType(), false);
          NDList inputs = row.run(x);
          for (int l = 0; l < row.layers().size(); l++) {
            add(row.layers().get(l), inputs.get(l), inputs.get(l + 1), sums, job);
          }
        }
      }
      Map<NDArray, NDArray> outside = new IdentityHashMap<>();
      sums.forEach((weight, sum) -> outside.put(weight, outside(weight, sum, job)));
      return outside;
    }
  }

  private static void add(
      Block layer, NDArray input, NDArray output, Map<NDArray, NDArray> sums, NDManager job) {
    Optional<NDArray> weight = LayersInARow.parameter(layer, Parameter.Type.WEIGHT);
    if (weight.isEmpty() || !(layer instanceof Linear || layer instanceof Conv2d)) {
      return;
    }
    Shape shape = weight.get().getShape();
    long columns = shape.size() / shape.get(0);
    if (columns > MOST_INPUTS) {
      return;
    }
    NDArray rows;
    if (layer instanceof Linear) {
      rows = input.reshape(-1, columns);
    } else {
      Optional<NDArray> patches = patches(input, output, shape);
      if (patches.isEmpty()) {
        return;
      }
      rows = patches.get();
    }
    NDArray wide = rows.toType(DataType.FLOAT64, false);
    NDArray product = wide.transpose().matMul(wide);
    NDArray sum = sums.get(weight.get());
    if (sum == null) {
      product.attach(job);
      sums.put(weight.get(), product);
    } else {
      sum.addi(product);
    }
  }

  /** Patches that a convolution of stride 1 and padding to its output's size sees. */
  private static Optional<NDArray> patches(NDArray input, NDArray output, Shape kernel) {
    long height = kernel.get(2);
    long width = kernel.get(3);
    Shape in = input.getShape();
    Shape out = output.getShape();
    long padY = out.get(2) - in.get(2) + height - 1;
    long padX = out.get(3) - in.get(3) + width - 1;
    if (padY < 0 || padX < 0 || padY % 2 != 0 || padX % 2 != 0 || kernel.get(1) != in.get(1)) {
      return Optional.empty();
    }
    NDArray padded =
        input
            .getManager()
            .zeros(
                new Shape(in.get(0), in.get(1), in.get(2) + padY, in.get(3) + padX),
                input.getDataType());
    padded.set(
        new ai.djl.ndarray.index.NDIndex(
            ":, :, %d:%d, %d:%d"
                .formatted(padY / 2, padY / 2 + in.get(2), padX / 2, padX / 2 + in.get(3))),
        input);
    NDList slices = new NDList();
    for (long y = 0; y < height; y++) {
      for (long x = 0; x < width; x++) {
        slices.add(
            padded.get(":, :, %d:%d, %d:%d".formatted(y, y + out.get(2), x, x + out.get(3))));
      }
    }
    // (kernel, B, C, H, W) to (B, H, W, C, kernel): the order of a kernel's own values.
    return Optional.of(
        ai.djl.ndarray.NDArrays.stack(slices)
            .transpose(1, 3, 4, 2, 0)
            .reshape(-1, in.get(1) * height * width));
  }

  private NDArray outside(NDArray weight, NDArray sum, NDManager job) {
    try (NDManager scope = job.newSubManager()) {
      sum.attach(scope);
      NDList eigen = SymmetricEigen.of(sum);
      double[] ascending = eigen.get(0).toDoubleArray();
      int n = ascending.length;
      double[] values = IntStream.range(0, n).mapToDouble(i -> ascending[n - 1 - i]).toArray();
      int k = core(values, parameters.kept());
      NDArray projection = scope.eye(n, n, 0, DataType.FLOAT64);
      if (k > 0) {
        NDArray space = eigen.get(1).get(":, " + (n - k) + ":");
        projection = projection.sub(space.matMul(space.transpose()));
      }
      NDArray typed = projection.toType(weight.getDataType(), true);
      typed.attach(job);
      return typed;
    }
  }

  /**
   * How many leading singular values there are before their sum exceeds the share of the sum of
   * all, as the authors count.
   *
   * @param eigenvalues of C, their squares, descending
   */
  static int core(double[] eigenvalues, double kept) {
    double[] singular =
        Arrays.stream(eigenvalues).map(value -> Math.sqrt(Math.max(0, value))).toArray();
    double most = kept * Arrays.stream(singular).sum();
    double sum = 0;
    int k = 0;
    while (k < singular.length && sum + singular[k] <= most) {
      sum += singular[k++];
    }
    return k;
  }

  private void climb(UnlearningTask task, Map<NDArray, NDArray> outside) {
    LoadedModel model = task.model();
    SampleSet unseen = Losses.unseen(task);
    Minibatches forget =
        new Minibatches(
            task.forget(), parameters.batch(), Sampling.mix(task.seed(), Sampling.FORGET));
    double fall =
        Math.pow(parameters.endRate() / parameters.startRate(), 1.0 / parameters.epochs());
    try {
      model.weights().forEach(weight -> weight.array().setRequiresGradient(true));
      double rate = parameters.startRate();
      for (int epoch = 0; epoch < parameters.epochs(); epoch++, rate *= fall) {
        for (int step = 0; step < forget.steps(1); step++) {
          step(task, outside, forget.next(), rate);
        }
        task.progress().at(JobStage.REPAIR, epoch + 1L, parameters.epochs());
        double reached =
            task.forgetClasses().isEmpty()
                ? Evaluator.score(model, unseen.dataset(), unseen.positions())
                    .metrics()
                    .getAccuracy()
                : 0;
        if (Evaluator.score(model, task.dataset(), task.forget()).metrics().getAccuracy()
            <= reached) {
          return;
        }
      }
    } finally {
      model.weights().forEach(weight -> weight.array().setRequiresGradient(false));
    }
  }

  private void step(UnlearningTask task, Map<NDArray, NDArray> outside, int[] batch, double rate) {
    LoadedModel model = task.model();
    try (NDManager scope = model.manager().newSubManager()) {
      model.weights().forEach(weight -> GradientMode.zero(weight.array()));
      try (GradientMode on = GradientMode.on()) {
        NDList xy = task.dataset().batch(scope, batch);
        GradientMode.backward(
            loss(model.logits(xy.get(0).toType(model.dataType(), false)), xy.get(1)));
      }
      try (GradientMode off = GradientMode.off()) {
        for (LoadedModel.Weight weight : model.weights()) {
          NDArray projection = outside.get(weight.array());
          PtNDArray gradient = JniUtils.getGradient((PtNDArray) weight.array());
          if (gradient == null) {
            continue;
          }
          gradient.attach(scope);
          if (projection != null) {
            scope.tempAttachAll(projection, weight.array());
            NDArray free =
                gradient
                    .reshape(weight.array().getShape().get(0), -1)
                    .matMul(projection)
                    .reshape(weight.array().getShape());
            weight.array().subi(free.mul(rate));
          }
        }
      }
    }
  }

  /** {@code −mean log(1 − p_y + o) − e · mean entropy}. */
  NDArray loss(NDArray logits, NDArray labels) {
    NDArray logP = logits.logSoftmax(1);
    NDArray p = logP.exp();
    NDArray oneHot =
        labels.oneHot((int) logits.getShape().get(1)).toType(logits.getDataType(), false);
    NDArray known = p.mul(oneHot).sum(new int[] {1});
    NDArray away = known.neg().add(1 + parameters.offset()).log().neg().mean();
    NDArray entropy = p.mul(logP).sum(new int[] {1}).neg().mean();
    return away.sub(entropy.mul(parameters.entropyWeight()));
  }
}
