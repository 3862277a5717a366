package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.nn.core.Linear;
import java.util.Map;
import java.util.TreeMap;

/**
 * Linear layers. On (B, F) each sample's gradient is an outer product, so {@code Σ_b (g_b a_bᵀ)² =
 * (g²)ᵀ (a²)}. On sequences (B, …, F) a sample's products are added over positions first.
 */
final class LinearForm implements LayerForm {
  private final boolean bias;

  LinearForm(Linear layer) {
    this(layer.getDirectParameters().contains("bias"));
  }

  LinearForm(boolean bias) {
    this.bias = bias;
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    long samples = input.getShape().get(0);
    NDArray g = gradient.reshape(samples, -1, gradient.getShape().getLastDimension());
    NDArray a = input.reshape(samples, -1, input.getShape().getLastDimension());
    Map<String, NDArray> result = new TreeMap<>();
    result.put("weight", g.transpose(0, 2, 1).batchMatMul(a));
    if (bias) {
      result.put("bias", g.sum(new int[] {1}));
    }
    return result;
  }

  @Override
  public Map<String, NDArray> squares(NDArray input, NDArray gradient) {
    if (input.getShape().dimension() != 2) {
      return LayerForm.super.squares(input, gradient);
    }
    Map<String, NDArray> squares = new TreeMap<>();
    NDArray g2 = gradient.square();
    squares.put("weight", g2.transpose().matMul(input.square()));
    if (bias) {
      squares.put("bias", g2.sum(new int[] {0}));
    }
    return squares;
  }
}
