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
 * Adam (Kingma and Ba, ICLR 2015, arXiv 1412.6980) over a model's weights, optionally under a mask.
 *
 * <p>While it is open the weights ask for gradients; {@link #step} applies and clears them. Closing
 * frees the moments and makes the weights plain again.
 */
final class Adam implements AutoCloseable {
  private static final float BETA1 = 0.9f;
  private static final float BETA2 = 0.999f;
  private static final float EPSILON = 1e-8f;

  private final List<LoadedModel.Weight> weights;
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
  Adam(LoadedModel model, NDList masks, double decay) {
    weights = model.weights();
    scope = model.manager().newSubManager();
    this.masks = masks;
    this.decay = (float) decay;
    for (LoadedModel.Weight weight : weights) {
      means.add(scope.zeros(weight.array().getShape(), weight.array().getDataType()));
      variances.add(scope.zeros(weight.array().getShape(), weight.array().getDataType()));
      weight.array().setRequiresGradient(true);
      GradientMode.zero(weight.array());
    }
  }

  /**
   * @param loss scalar, with its recorded graph
   */
  void step(NDArray loss, double learningRate) {
    GradientMode.backward(loss);
    steps++;
    double corrected =
        learningRate * Math.sqrt(1 - Math.pow(BETA2, steps)) / (1 - Math.pow(BETA1, steps));
    try (GradientMode off = GradientMode.off()) {
      for (int i = 0; i < weights.size(); i++) {
        PtNDArray array = (PtNDArray) weights.get(i).array();
        try (PtNDArray gradient = array.getGradient()) {
          if (masks != null) {
            gradient.muli(masks.get(i));
          }
          JniUtils.adamUpdate(
              array,
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
        GradientMode.zero(array);
      }
    }
  }

  @Override
  public void close() {
    for (LoadedModel.Weight weight : weights) {
      weight.array().setRequiresGradient(false);
    }
    scope.close();
  }
}
