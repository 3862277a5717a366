package io.lethe.model;

import ai.djl.ndarray.NDArray;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;

/**
 * Whether this thread records gradients, for the length of a try block.
 *
 * <p>In place of DJL's {@code GradientCollector}, of which only one may be open in a process: this
 * switch is the thread's own, so that several jobs may compute gradients of different models at
 * once.
 */
public final class GradientMode implements AutoCloseable {
  private final boolean before;

  private GradientMode(boolean enabled) {
    NativeLibrary.load();
    before = JniUtils.isGradMode();
    JniUtils.setGradMode(enabled);
  }

  /** Records gradients. */
  public static GradientMode on() {
    return new GradientMode(true);
  }

  /** Records none: for inference and for changing weights in place. */
  public static GradientMode off() {
    return new GradientMode(false);
  }

  /**
   * Adds the gradient of a scalar to each array that asked for one.
   *
   * @param scalar of shape (), with the recorded graph, which this call frees
   */
  public static void backward(NDArray scalar) {
    try (NDArray one = scalar.getManager().ones(scalar.getShape(), scalar.getDataType())) {
      backward(scalar, one);
    }
  }

  /**
   * Adds the gradient of a loss to each array that asked for one, where the loss's gradient in some
   * outputs is known.
   *
   * @param outputs with the recorded graph, which this call frees
   * @param gradient of the loss in them, of the same shape and type
   */
  public static void backward(NDArray outputs, NDArray gradient) {
    JniUtils.backward((PtNDArray) outputs, (PtNDArray) gradient, false, false);
  }

  /** Sets an array's gradient to zero, where it has one. */
  public static void zero(NDArray array) {
    JniUtils.zeroGrad((PtNDArray) array);
  }

  @Override
  public void close() {
    JniUtils.setGradMode(before);
  }
}
