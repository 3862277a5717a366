package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.unlearning.LayersInARow;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Optional;

/**
 * The Newton update of a linear head that removes samples (Guo et al. 2020, ICML, arXiv 1911.03030,
 * section 3: {@code w⁻ = w + H⁻¹ Δ}; Koh and Liang 2017, arXiv 1703.04730, equation 1). With the
 * inputs φ of the last layer held fixed,
 *
 * <pre>
 *   L_R(W) = Σ_retained ℓ(W φ_i, y_i) + λ/2 ‖W‖²
 *   influence:  W ← W + H_R⁻¹ Σ_forget ∇ℓ_i          one step, the anchor taken for an optimum
 *   newton:     W ← W − H_R⁻¹ ∇L_R(W)                repeated to the optimum of what is left
 * </pre>
 *
 * <p>H_R is the Hessian of L_R at the current W, applied by products in float64 and inverted by
 * conjugate gradients. For a squared loss (ridge regression on one-hot labels) one step of either
 * is exact; for the cross-entropy (logistic regression) the repeated step is, as retraining the
 * head would be. The layers below keep what they know: a method for linear models and heads. The
 * control is {@link Decoy}.
 */
public final class Influence implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "influence";

  private static final int BATCH = 256;

  /** Which step is taken. */
  public enum Update {
    /** One step from the forget samples' gradients. */
    INFLUENCE,
    /** Steps to the optimum over the retained samples. */
    NEWTON
  }

  /** What the head was trained on. */
  public enum Loss {
    /** −log p(label). */
    CROSS_ENTROPY,
    /** Half the squared distance to the one-hot label. */
    SQUARED
  }

  /**
   * Hyperparameters.
   *
   * @param update which step; INFLUENCE
   * @param loss of the head; CROSS_ENTROPY
   * @param ridge λ, L2 penalty of the head over the sum of losses, > 0; 1
   * @param retainSamples retained samples that the Hessian sums over, ≥ 1; 20000. From a seeded
   *     choice it is scaled up to all that are retained
   * @param steps Newton steps at most, ≥ 1; 20
   * @param iterations of conjugate gradients per step at most, ≥ 1; 500
   */
  public record Parameters(
      Update update, Loss loss, double ridge, int retainSamples, int steps, int iterations) {
    /** The defaults. */
    public static final Parameters DEFAULT =
        new Parameters(Update.INFLUENCE, Loss.CROSS_ENTROPY, 1, 20_000, 20, 500);

    public Parameters {
      Ranges.require(update != null, "update must be influence or newton");
      Ranges.require(loss != null, "loss must be cross_entropy or squared");
      Ranges.positive("ridge", ridge);
      Ranges.atLeast("retainSamples", retainSamples, 1);
      Ranges.atLeast("steps", steps, 1);
      Ranges.atLeast("iterations", iterations, 1);
    }
  }

  private final Parameters parameters;

  public Influence(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.forgetSamples(task).or(() -> Needs.linearHead(task));
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    LayersInARow row =
        LayersInARow.of(task.model())
            .orElseThrow(() -> new UnlearningException("influence needs a linear head"));
    int[] retained =
        Sampling.choose(
            task.repairPool(),
            parameters.retainSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    // Of all that is retained: where there is no holdout set, the pool leaves out a tenth of it.
    double scale = (double) task.retainSums().samples() / retained.length;
    try (GradientMode off = GradientMode.off();
        NDManager job = task.model().manager().newSubManager()) {
      Samples retain = samples(task, row, retained, job);
      NDArray w = weight(row, job);
      if (parameters.update() == Update.INFLUENCE) {
        Samples forget = samples(task, row, task.forget(), job);
        w = w.add(solve(retain, w, scale, gradient(forget, w)));
      } else {
        for (int step = 0; step < parameters.steps(); step++) {
          task.progress().at(JobStage.METHOD, step, parameters.steps());
          NDArray gradient = gradient(retain, w).mul(scale).add(w.mul(parameters.ridge()));
          NDArray move = solve(retain, w, scale, gradient);
          w = w.sub(move);
          if (norm(move) <= 1e-10 * (1 + norm(w))) {
            break;
          }
        }
      }
      assign(row, w);
    }
    task.progress().at(JobStage.METHOD, 1, 1);
    int[] selected =
        task.model().weights().stream()
            .mapToInt(weight -> head(row, weight.array()) ? (int) weight.array().size() : 0)
            .toArray();
    return new Applied(
        Arrays.stream(selected).boxed().toList(),
        task.model().weights().stream().mapToLong(weight -> weight.array().size()).sum(),
        FineTuning.since(start),
        0);
  }

  private static boolean head(LayersInARow row, NDArray array) {
    return array == row.headWeight() || row.headBias().map(bias -> bias == array).orElse(false);
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Decoy(this);
  }

  /**
   * Inputs of the head with a last column of ones for the bias (n, d), and one-hot labels (n, C).
   */
  private record Samples(NDArray features, NDArray labels) {}

  private static Samples samples(
      UnlearningTask task, LayersInARow row, int[] samples, NDManager job) {
    NDList features = new NDList();
    NDList labels = new NDList();
    long classes = row.headWeight().getShape().get(0);
    for (int from = 0; from < samples.length; from += BATCH) {
      int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
      try (NDManager scope = job.newSubManager()) {
        NDList xy = task.dataset().batch(scope, batch);
        NDList inputs = row.run(xy.get(0).toType(task.model().dataType(), false));
        NDArray phi = inputs.get(inputs.size() - 2).toType(DataType.FLOAT64, true);
        phi = phi.reshape(batch.length, -1);
        if (row.headBias().isPresent()) {
          phi = phi.concat(scope.ones(new Shape(batch.length, 1), DataType.FLOAT64), 1);
        }
        NDArray y = xy.get(1).oneHot((int) classes).toType(DataType.FLOAT64, true);
        phi.attach(job);
        y.attach(job);
        features.add(phi);
        labels.add(y);
      }
    }
    return new Samples(
        ai.djl.ndarray.NDArrays.concat(features), ai.djl.ndarray.NDArrays.concat(labels));
  }

  /** Weight and bias side by side, (C, d), float64. */
  private static NDArray weight(LayersInARow row, NDManager job) {
    NDArray w = row.headWeight().toType(DataType.FLOAT64, true);
    w.attach(job);
    if (row.headBias().isEmpty()) {
      return w;
    }
    NDArray bias = row.headBias().get().toType(DataType.FLOAT64, true);
    bias.attach(job);
    return w.concat(bias.reshape(-1, 1), 1);
  }

  private static void assign(LayersInARow row, NDArray w) {
    NDArray weight = row.headWeight();
    long features = weight.getShape().get(1);
    w.get(":, :" + features).toType(weight.getDataType(), true).copyTo(weight);
    row.headBias()
        .ifPresent(bias -> w.get(":, " + features).toType(bias.getDataType(), true).copyTo(bias));
  }

  /** Σ ∇ℓ over the samples, (C, d). */
  private NDArray gradient(Samples samples, NDArray w) {
    return outputs(samples, w).sub(samples.labels()).transpose().matMul(samples.features());
  }

  private NDArray outputs(Samples samples, NDArray w) {
    NDArray scores = samples.features().matMul(w.transpose());
    return parameters.loss() == Loss.SQUARED ? scores : scores.softmax(1);
  }

  /**
   * {@code (scale · Σ H_i + λI)⁻¹ b} by conjugate gradients. For the cross-entropy {@code H_i V =
   * [(p ∘ u) − p (pᵀu)] φᵀ} with {@code u = V φ}.
   */
  private NDArray solve(Samples retain, NDArray w, double scale, NDArray b) {
    NDArray p = outputs(retain, w);
    NDArray x = b.zerosLike();
    NDArray residual = b.duplicate();
    NDArray direction = residual.duplicate();
    double square = dot(residual, residual);
    double target = square * 1e-24;
    for (int i = 0; i < parameters.iterations() && square > target && square > 0; i++) {
      try (NDManager scope = b.getManager().newSubManager()) {
        scope.tempAttachAll(p, direction, retain.features(), residual, x);
        NDArray product = hessian(retain, p, direction, scale);
        double step = square / dot(direction, product);
        x.addi(direction.mul(step));
        residual.subi(product.mul(step));
        double next = dot(residual, residual);
        direction.muli(next / square).addi(residual);
        square = next;
      }
    }
    return x;
  }

  private NDArray hessian(Samples retain, NDArray p, NDArray v, double scale) {
    NDArray u = retain.features().matMul(v.transpose());
    if (parameters.loss() == Loss.CROSS_ENTROPY) {
      NDArray weighted = p.mul(u);
      u = weighted.sub(p.mul(weighted.sum(new int[] {1}, true)));
    }
    return u.transpose().matMul(retain.features()).mul(scale).add(v.mul(parameters.ridge()));
  }

  private static double dot(NDArray a, NDArray b) {
    return a.mul(b).sum().getDouble();
  }

  private static double norm(NDArray a) {
    return Math.sqrt(dot(a, a));
  }
}
