package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.events.JobStage;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Datamodel matching (Georgiev et al. 2025, ICLR, arXiv 2410.23232, section 4): predict by a linear
 * datamodel what the model would say without the forget samples, then fine-tune it to say so. The
 * paper's DM-Direct is the prediction alone; this is the prediction and the matching, for models of
 * which no folds were trained.
 *
 * <p>A linear datamodel gives {@code f(x; D∖F) = f(x; D) − Σ_{i∈F} τ(x, i)}. Its attributions τ are
 * influence functions (Koh and Liang 2017, arXiv 1703.04730, equation 2) with the cached diagonal
 * of the Fisher information for the Hessian, so that their sum over the forget set is a derivative
 * along one direction, which costs two forward passes and no attribution of single samples:
 *
 * <pre>
 *   v = (I_R + d · mean(I_R))⁻¹ · mean_forget ∇ℓ
 *   f(x; D∖F) ≈ f(x; θ₀) + s · ∂f(x; θ₀) / ∂θ · v
 * </pre>
 *
 * <p>Influence functions rank well and scale badly, so s is found by bisection such that the
 * predicted mean loss on the forget samples is that of samples which the model never saw. The
 * matching is that of {@link HeldoutMatch}, with the predictions as targets on the forget samples,
 * and the anchor's outputs held on the reservoir: predicted there as well, as in the paper, what
 * such an s says about retained samples cost a fifth of them. The control is {@link Decoy}.
 */
public final class DatamodelMatching implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "datamodel-matching";

  private static final double RELATIVE_STEP = 1e-3;
  private static final int BISECTIONS = 50;

  /**
   * Hyperparameters.
   *
   * @param damping d, relative to the mean of the diagonal, > 0; 0.1
   * @param largestScale largest s, in units in which the direction is as long as the weights, > 0;
   *     10
   * @param matching hyperparameters of the fine-tuning
   */
  public record Parameters(double damping, double largestScale, HeldoutMatchParameters matching) {
    /** The defaults. */
    public static final Parameters DEFAULT =
        new Parameters(0.1, 10, HeldoutMatchParameters.DEFAULT);

    public Parameters {
      Ranges.positive("damping", damping);
      Ranges.positive("largestScale", largestScale);
      Ranges.require(matching != null, "matching must be given");
    }
  }

  private final Parameters parameters;

  public DatamodelMatching(Parameters parameters) {
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
        .or(
            () ->
                Needs.unless(task.retainSums().samples() > 0, "Fisher sums over retained samples"));
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    task.progress().at(JobStage.METHOD, 0, 1);
    Prediction forget;
    try (NDManager job = task.model().manager().newSubManager()) {
      forget = predict(task, direction(task, job), task.forget(), job);
    }
    double scale = scale(task, forget, Losses.unseenLoss(task));
    float[] predicted = forget.at(scale);
    HeldOutTargets targets =
        HeldOutTargets.of(predicted.length / task.forget().length, task.forget(), predicted);
    task.progress().at(JobStage.METHOD, 1, 1);
    double prepared = FineTuning.since(start);
    List<Integer> selected = HeldoutMatch.match(task, parameters.matching(), targets).selected();
    return new Applied(
        selected,
        task.model().weights().stream().mapToLong(w -> w.array().getShape().size()).sum(),
        prepared,
        FineTuning.since(start) - prepared);
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Decoy(this);
  }

  /** v, scaled to the length of the weights. */
  NDList direction(UnlearningTask task, NDManager job) {
    NDList direction = Gradients.mean(task.model(), task.dataset(), task.forget(), job);
    FisherDiagonal sums = task.retainSums();
    double mean =
        sums.tensors().stream()
                .mapToDouble(
                    tensor -> {
                      double sum = 0;
                      for (float value : tensor.values()) {
                        sum += value;
                      }
                      return sum;
                    })
                .sum()
            / sums.size();
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < direction.size(); t++) {
        float[] inverse = sums.tensors().get(t).values().clone();
        for (int i = 0; i < inverse.length; i++) {
          inverse[i] = (float) (mean / (inverse[i] + parameters.damping() * mean));
        }
        NDArray array = direction.get(t);
        array.muli(job.create(inverse, array.getShape()).toType(array.getDataType(), false));
      }
      double length = Math.sqrt(square(direction));
      double weights =
          Math.sqrt(
              square(
                  new NDList(
                      task.model().weights().stream()
                          .map(LoadedModel.Weight::array)
                          .toArray(NDArray[]::new))));
      if (!(length > 0) || !Double.isFinite(length)) {
        throw new UnlearningException(
            "the forget samples' gradient is zero or not finite: nothing can be predicted from it");
      }
      direction.forEach(array -> array.muli(weights / length));
    }
    return direction;
  }

  private static double square(NDList arrays) {
    double sum = 0;
    for (NDArray array : arrays) {
      try (NDArray wide = array.toType(DataType.FLOAT64, true);
          NDArray squares = wide.square();
          NDArray total = squares.sum()) {
        sum += total.getDouble();
      }
    }
    return sum;
  }

  /** Logits and their derivative along the direction, (samples, classes) row-major each. */
  @SuppressWarnings("ArrayRecordComponent") // lives for one call
  record Prediction(float[] logits, float[] slope) {
    float[] at(double scale) {
      float[] predicted = logits.clone();
      for (int i = 0; i < predicted.length; i++) {
        predicted[i] += (float) (scale * slope[i]);
      }
      return predicted;
    }
  }

  /** By central differences. */
  static Prediction predict(UnlearningTask task, NDList direction, int[] samples, NDManager job) {
    LoadedModel model = task.model();
    NDList anchor = model.copyWeights(job);
    float[] logits = CrossFit.logits(model, task.dataset(), samples);
    move(model, direction, RELATIVE_STEP);
    float[] ahead = CrossFit.logits(model, task.dataset(), samples);
    model.assignWeights(anchor);
    move(model, direction, -RELATIVE_STEP);
    float[] slope = CrossFit.logits(model, task.dataset(), samples);
    model.assignWeights(anchor);
    for (int i = 0; i < slope.length; i++) {
      slope[i] = (float) ((ahead[i] - slope[i]) / (2 * RELATIVE_STEP));
    }
    return new Prediction(logits, slope);
  }

  private static void move(LoadedModel model, NDList direction, double by) {
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < direction.size(); t++) {
        try (NDArray step = direction.get(t).mul(by)) {
          model.weights().get(t).array().addi(step);
        }
      }
    }
  }

  /** Smallest s at which the predicted loss on the forget samples reaches the wanted one. */
  double scale(UnlearningTask task, Prediction forget, double wanted) {
    double low = 0;
    double high = parameters.largestScale();
    for (int i = 0; i < BISECTIONS; i++) {
      double middle = (low + high) / 2;
      if (loss(task, forget.at(middle)) < wanted) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return high;
  }

  static double loss(UnlearningTask task, float[] logits) {
    int[] samples = task.forget();
    int classes = logits.length / samples.length;
    double sum = 0;
    for (int s = 0; s < samples.length; s++) {
      float[] row = Arrays.copyOfRange(logits, s * classes, (s + 1) * classes);
      double most = Double.NEGATIVE_INFINITY;
      for (float value : row) {
        most = Math.max(most, value);
      }
      double total = 0;
      for (float value : row) {
        total += Math.exp(value - most);
      }
      sum += most + Math.log(total) - row[task.dataset().label(samples[s])];
    }
    return sum / samples.length;
  }
}
