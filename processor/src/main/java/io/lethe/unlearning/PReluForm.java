package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.lethe.model.PRelu;
import java.util.Map;

/**
 * PReLU, {@code y = max(x, 0) + α min(x, 0)}: {@code ∂α = Σ g min(x, 0)}, over the positions of a
 * channel, or over all values of a sample where one α serves all.
 */
final class PReluForm implements LayerForm {
  private final PRelu layer;

  PReluForm(PRelu layer) {
    this.layer = layer;
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    Shape slopes = layer.getDirectParameters().get("alpha").getArray().getShape();
    Shape each = new Shape(input.getShape().get(0), slopes.get(0), -1);
    NDArray g = gradient.reshape(each);
    NDArray negative = input.minimum(0).reshape(each);
    return Map.of("alpha", negative.mul(g).sum(new int[] {2}));
  }
}
