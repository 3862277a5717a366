package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/**
 * Gradients of a loss by arrays inside of its computation, in one backward pass that frees the
 * graph. DJL has gradients of leaves only; probes that are added to what is inside cost each layer
 * an array and several passes over its output (a twentieth of a ResNet-18's time, and more of a
 * small network's).
 */
final class OutputGradients {
  private OutputGradients() {}

  /** Loaded on first use. */
  private static final class Holder {
    static final NativeScript SCRIPT =
        NativeScript.load("output_gradients.py", OutputGradients.class.getSimpleName());
  }

  /**
   * @param loss scalar
   * @param outputs what the loss was computed from, each with a gradient asked for
   * @return for each output an array of its shape, of the loss's manager, or one of no elements
   *     where it does not reach the loss. Two may share their memory: not to be changed in place.
   */
  static NDList of(NDArray loss, NDList outputs) {
    NDList arguments = new NDList(loss);
    for (NDArray output : outputs) {
      output.setName("outputs[]"); // DJL's way to say that they are one list
      arguments.add(output);
    }
    return Holder.SCRIPT.run(arguments);
  }
}
