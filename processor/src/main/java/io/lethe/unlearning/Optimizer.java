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
  void step(NDArray loss, double learningRate);

  @Override
  void close();
}
