package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Adam;
import io.lethe.unlearning.Optimizer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.Predicate;

/**
 * Low-rank adapters (Hu et al. 2022, ICLR, arXiv 2106.09685, section 4.1): a weight W₀, seen as a
 * matrix of outputs by inputs, becomes {@code W₀ + (α / r) · B A} with B (outputs, r) and A (r,
 * inputs); only A and B are trained, by Adam. A starts as N(0, 1 / inputs) and B as zero.
 *
 * <p>The weights of the model always hold the merged sum, so that any model can be adapted whose
 * weights have gradients, and the artifact keeps its format: with {@code G = ∂L/∂W} the chain rule
 * gives {@code ∂L/∂B = s G Aᵀ} and {@code ∂L/∂A = s Bᵀ G}. That is the gradient which adapters
 * inside of the network would get; it saves the moments of the full weights, not their gradient.
 */
final class Adapters implements Optimizer {
  private record Adapted(NDArray weight, NDArray base, NDArray a, NDArray b, double scale) {}

  private final NDManager scope;
  private final List<NDArray> all;
  private final List<Adapted> adapted = new ArrayList<>();
  private final List<NDArray> whole = new ArrayList<>();
  private final Adam adam;

  /**
   * @param lowRank weights that get an adapter, each of at least two dimensions
   * @param full weights that are trained as they are; every other stays as it is
   */
  Adapters(
      LoadedModel model,
      Predicate<LoadedModel.Weight> lowRank,
      Predicate<LoadedModel.Weight> full,
      int rank,
      double alpha,
      long seed) {
    scope = model.manager().newSubManager();
    all = model.weights().stream().map(LoadedModel.Weight::array).toList();
    Random random = new Random(seed);
    for (LoadedModel.Weight weight : model.weights()) {
      NDArray array = weight.array();
      if (lowRank.test(weight)) {
        long outputs = array.getShape().get(0);
        long inputs = array.getShape().size() / outputs;
        int r = (int) Math.min(rank, Math.min(outputs, inputs));
        float[] drawn = new float[(int) (r * inputs)];
        for (int i = 0; i < drawn.length; i++) {
          drawn[i] = (float) (random.nextGaussian() / Math.sqrt(inputs));
        }
        NDArray base = array.duplicate().reshape(outputs, inputs);
        base.attach(scope);
        adapted.add(
            new Adapted(
                array,
                base,
                scope.create(drawn, new Shape(r, inputs)).toType(array.getDataType(), true),
                scope.zeros(new Shape(outputs, r), array.getDataType()),
                alpha / r));
      } else if (full.test(weight)) {
        whole.add(array);
      }
    }
    adam = Adam.over(scope, trained(adapted, whole));
    for (NDArray array : all) {
      array.setRequiresGradient(true);
      GradientMode.zero(array);
    }
  }

  private static List<NDArray> trained(List<Adapted> adapted, List<NDArray> whole) {
    List<NDArray> arrays = new ArrayList<>();
    for (Adapted one : adapted) {
      arrays.add(one.a());
      arrays.add(one.b());
    }
    arrays.addAll(whole);
    return arrays;
  }

  @Override
  public void step(NDArray outputs, NDArray ofOutputs, double learningRate) {
    GradientMode.backward(outputs, ofOutputs);
    try (GradientMode off = GradientMode.off();
        NDManager one = scope.newSubManager()) {
      NDList gradients = new NDList();
      for (Adapted weight : adapted) {
        one.tempAttachAll(weight.a(), weight.b());
        NDArray g = gradient(weight.weight(), one).reshape(weight.base().getShape());
        gradients.add(weight.b().transpose().matMul(g).mul(weight.scale()));
        gradients.add(g.matMul(weight.a().transpose()).mul(weight.scale()));
      }
      for (NDArray weight : whole) {
        gradients.add(gradient(weight, one));
      }
      adam.apply(gradients, learningRate);
      for (Adapted weight : adapted) {
        one.tempAttachAll(weight.base());
        weight
            .base()
            .add(weight.b().matMul(weight.a()).mul(weight.scale()))
            .reshape(weight.weight().getShape())
            .copyTo(weight.weight());
      }
      all.forEach(GradientMode::zero);
    }
  }

  private static NDArray gradient(NDArray weight, NDManager scope) {
    PtNDArray gradient = JniUtils.getGradient((PtNDArray) weight);
    if (gradient == null) {
      return scope.zeros(weight.getShape(), weight.getDataType());
    }
    gradient.attach(scope);
    return gradient;
  }

  /** Number of trained values: factors and whole weights. */
  long trainedValues() {
    return adapted.stream().mapToLong(one -> one.a().size() + one.b().size()).sum()
        + whole.stream().mapToLong(NDArray::size).sum();
  }

  @Override
  public void close() {
    adam.close();
    for (NDArray array : all) {
      array.setRequiresGradient(false);
    }
    scope.close();
  }

  /** Whether a weight is a matrix or a convolution's kernel. */
  static boolean matrix(LoadedModel.Weight weight) {
    return weight.array().getShape().dimension() >= 2;
  }
}
