package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.norm.LayerNorm;
import java.lang.reflect.Field;
import java.util.Map;

/**
 * LayerNorm, {@code y = γ x̂ + β} with x̂ normalised over the trailing axes: {@code ∂γ = Σ g x̂}
 * and {@code ∂β = Σ g} over the other axes of a sample.
 */
final class LayerNormForm implements LayerForm {
  private final Shape normalised;
  private final double epsilon;

  LayerNormForm(LayerNorm layer) {
    normalised = layer.getDirectParameters().get("gamma").getArray().getShape();
    try {
      Field field = LayerNorm.class.getDeclaredField("epsilon");
      field.setAccessible(true);
      epsilon = (float) field.get(layer);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("LayerNorm has no field epsilon any more", e);
    }
  }

  /**
   * @param normalised the trailing axes that are normalised over
   */
  LayerNormForm(Shape normalised, double epsilon) {
    this.normalised = normalised;
    this.epsilon = epsilon;
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    long samples = input.getShape().get(0);
    NDArray a = input.reshape(samples, -1, normalised.size());
    NDArray g = gradient.reshape(samples, -1, normalised.size());
    NDArray centred = a.sub(a.mean(new int[] {2}, true));
    NDArray deviation = centred.square().mean(new int[] {2}, true).add(epsilon).sqrt();
    Shape shape = new Shape(samples).addAll(normalised);
    return Map.of(
        "gamma", centred.div(deviation).mul(g).sum(new int[] {1}).reshape(shape),
        "beta", g.sum(new int[] {1}).reshape(shape));
  }
}
