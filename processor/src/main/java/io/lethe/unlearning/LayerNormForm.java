package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.norm.LayerNorm;
import java.lang.reflect.Field;
import java.util.Map;

/**
 * LayerNorm, {@code y = γ x̂ + β} with x̂ normalised over the trailing axes: {@code ∂γ = Σ g x̂}
 * and {@code ∂β = Σ g} over the other axes of a sample.
 */
final class LayerNormForm implements LayerForm {
  private final LayerNorm layer;
  private final float epsilon;

  LayerNormForm(LayerNorm layer) {
    this.layer = layer;
    try {
      Field field = LayerNorm.class.getDeclaredField("epsilon");
      field.setAccessible(true);
      epsilon = (float) field.get(layer);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("LayerNorm has no field epsilon any more", e);
    }
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    Parameter gamma = layer.getDirectParameters().get("gamma");
    Shape normalised = gamma.getArray().getShape();
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
