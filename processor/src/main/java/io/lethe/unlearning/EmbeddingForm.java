package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.Map;

/**
 * Embeddings (B, T) to (B, T, E): the gradients of a sample's positions that hold the same item add
 * up before they are squared.
 *
 * <p>Squares never hold a gradient per sample and item: with {@code s_bt} the sum over all
 * positions of sample b that hold the item of position t, and {@code n_bt} their number, item v
 * receives {@code Σ_b Σ_{t: id = v} s_bt² / n_bt}.
 */
final class EmbeddingForm implements LayerForm {
  private final Shape table;

  /**
   * @param table items, width
   */
  EmbeddingForm(Shape table) {
    this.table = table;
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    long samples = input.getShape().get(0);
    NDArray g = gradient.reshape(samples, -1, gradient.getShape().getLastDimension());
    NDArray items =
        input
            .reshape(samples, -1)
            .toType(DataType.INT64, false)
            .oneHot((int) table.get(0))
            .toType(g.getDataType(), false);
    return Map.of("embedding", items.transpose(0, 2, 1).batchMatMul(g));
  }

  @Override
  public Map<String, NDArray> squares(NDArray input, NDArray gradient) {
    NDManager scope = input.getManager();
    long samples = input.getShape().get(0);
    int width = (int) table.get(1);
    NDArray g = gradient.reshape(samples, -1, width);
    NDArray items = input.reshape(samples, -1).toType(DataType.INT64, false);
    NDArray same = items.expandDims(2).eq(items.expandDims(1)).toType(g.getDataType(), false);
    NDArray shares =
        same.batchMatMul(g).square().div(same.sum(new int[] {2}, true)).reshape(-1, width);
    // Added up here: a product with a one-hot matrix would cost items × positions.
    long[] ids = items.toLongArray();
    double[] values = shares.toType(DataType.FLOAT64, false).toDoubleArray();
    double[] sums = new double[(int) table.size()];
    for (int position = 0; position < ids.length; position++) {
      int row = (int) ids[position] * width;
      for (int e = 0; e < width; e++) {
        sums[row + e] += values[position * width + e];
      }
    }
    // A copy in PyTorch's own memory: what is made of Java's arrays lies in a buffer that ends with
    // this very array, and not with what is reshaped from it and added to afterwards.
    try (NDArray lent = scope.create(sums, table)) {
      return Map.of("embedding", lent.duplicate());
    }
  }
}
