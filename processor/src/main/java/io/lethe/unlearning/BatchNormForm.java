package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Parameter;
import ai.djl.nn.norm.BatchNorm;
import java.lang.reflect.Field;
import java.util.Map;
import java.util.Optional;

/**
 * BatchNorm in eval mode, {@code y = γ x̂ + β} with constant statistics: {@code ∂γ = Σ_hw g x̂} and
 * {@code ∂β = Σ_hw g} per sample and channel.
 */
final class BatchNormForm implements LayerForm {
  private final NDArray mean;
  private final NDArray variance;
  private final double epsilon;

  private BatchNormForm(BatchNorm layer) {
    Map<String, Parameter> parameters = layer.getDirectParameters().toMap();
    mean = parameters.get("runningMean").getArray();
    variance = parameters.get("runningVar").getArray();
    epsilon = (float) field(layer, "epsilon");
  }

  /** With running statistics of shape (C). */
  BatchNormForm(NDArray mean, NDArray variance, double epsilon) {
    this.mean = mean;
    this.variance = variance;
    this.epsilon = epsilon;
  }

  static Optional<LayerForm> of(BatchNorm layer) {
    return (int) field(layer, "axis") == 1
        ? Optional.of(new BatchNormForm(layer))
        : Optional.empty();
  }

  /** DJL gives no access to them. */
  private static Object field(BatchNorm layer, String name) {
    try {
      Field field = BatchNorm.class.getDeclaredField(name);
      field.setAccessible(true);
      return field.get(layer);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("BatchNorm has no field " + name + " any more", e);
    }
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    Shape shape = input.getShape();
    NDManager scope = input.getManager();
    NDArray g = gradient.reshape(shape.get(0), shape.get(1), -1);
    NDArray a = input.reshape(shape.get(0), shape.get(1), -1);
    NDArray centre = copy(mean, scope).reshape(1, shape.get(1), 1);
    NDArray deviation = copy(variance, scope).add(epsilon).sqrt().reshape(1, shape.get(1));
    // (Σ g a − mean Σ g) / std would be cheaper; its difference cancels digits.
    return Map.of(
        "gamma", a.sub(centre).mul(g).sum(new int[] {2}).div(deviation),
        "beta", g.sum(new int[] {2}));
  }

  /** Results attach to the left operand's manager: the minibatch's, not the model's. */
  private static NDArray copy(NDArray array, NDManager scope) {
    NDArray copy = array.duplicate();
    copy.attach(scope);
    return copy;
  }
}
