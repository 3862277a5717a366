package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;

/** Negative log-likelihood of class labels. */
public final class CrossEntropy {
  private CrossEntropy() {}

  /**
   * @param logits (B, classes)
   * @param labels int64 (B)
   * @return −log p(label) per sample, (B); differentiable in the logits
   */
  public static NDArray perSample(NDArray logits, NDArray labels) {
    NDArray oneHot =
        labels.oneHot((int) logits.getShape().get(1)).toType(logits.getDataType(), false);
    return logits.logSoftmax(1).mul(oneHot).sum(new int[] {1}).neg();
  }
}
