package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.List;

/**
 * Adam (Kingma and Ba, ICLR 2015, arXiv 1412.6980) over a model's weights, optionally under a mask,
 * or over any other arrays.
 */
public final class Adam implements Optimizer {
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPSILON = 1e-8f;

  private final List<NDArray> arrays;
  private final NDManager scope;
  private final NDList means = new NDList();
  private final NDList variances = new NDList();
  private final NDList masks;
  private final float decay;
  private int steps;

  /**
   * @param masks one array of zeros and ones per weight, owned by the caller, or null: a weight
   *     under a zero takes no step
   * @param decay L2 weight decay
   */
  public Adam(LoadedModel model, NDList masks, double decay) {
    this(
        model.manager(),
        model.weights().stream().map(LoadedModel.Weight::array).toList(),
        masks,
        decay);
  }

  /** Over arrays that the caller owns. */
  public static Adam over(NDManager manager, List<NDArray> arrays) {
    return new Adam(manager, arrays, null, 0);
  }

  private Adam(NDManager manager, List<NDArray> arrays, NDList masks, double decay) {
    this.arrays = List.copyOf(arrays);
    scope = manager.newSubManager();
    this.masks = masks;
    this.decay = (float) decay;
    for (NDArray array : arrays) {
      means.add(scope.zeros(array.getShape(), array.getDataType()));
      variances.add(scope.zeros(array.getShape(), array.getDataType()));
      array.setRequiresGradient(true);
      GradientMode.zero(array);
    }
  }

  @Override
  public void step(NDArray outputs, NDArray ofOutputs, double learningRate) {
    GradientMode.backward(outputs, ofOutputs);
    steps++;
    try (GradientMode off = GradientMode.off()) {
      for (int i = 0; i < arrays.size(); i++) {
        PtNDArray array = (PtNDArray) arrays.get(i);
        try (PtNDArray gradient = array.getGradient()) {
          if (masks != null) {
            gradient.muli(masks.get(i));
          }
          update(i, gradient, learningRate);
        }
        GradientMode.zero(array);
      }
    }
  }

  /**
   * One update from gradients that were computed elsewhere, one per array; call it without
   * recording.
   */
  public void apply(NDList gradients, double learningRate) {
    steps++;
    for (int i = 0; i < arrays.size(); i++) {
      update(i, (PtNDArray) gradients.get(i), learningRate);
    }
  }

  private void update(int i, PtNDArray gradient, double learningRate) {
    double corrected =
        learningRate * Math.sqrt(1 - Math.pow(BETA2, steps)) / (1 - Math.pow(BETA1, steps));
    JniUtils.adamUpdate(
        (PtNDArray) arrays.get(i),
        gradient,
        (PtNDArray) means.get(i),
        (PtNDArray) variances.get(i),
        (float) learningRate,
        (float) corrected,
        decay,
        1f,
        -1f,
        BETA1,
        BETA2,
        EPSILON,
        false);
  }

  @Override
  public void close() {
    for (NDArray array : arrays) {
      array.setRequiresGradient(false);
    }
    scope.close();
  }
}
