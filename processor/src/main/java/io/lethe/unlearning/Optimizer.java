package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;

/**
 * Moves a model's weights against the gradient of a loss. While it is open the weights ask for
 * gradients; closing frees what it keeps and makes them plain again.
 */
public interface Optimizer extends AutoCloseable {
  /**
   * One update; gradients are applied and cleared.
   *
   * @param loss scalar, with its recorded graph
   */
  default void step(NDArray loss, double learningRate) {
    try (NDArray one = loss.getManager().ones(loss.getShape(), loss.getDataType())) {
      step(loss, one, learningRate);
    }
  }

  /**
   * One update from a loss whose gradient in some outputs is known; gradients are applied and
   * cleared.
   *
   * @param outputs with their recorded graph, which this call frees
   * @param gradient of the loss in them, of the same shape and type
   */
  void step(NDArray outputs, NDArray gradient, double learningRate);

  @Override
  void close();
}
