package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossEntropy;
import java.util.Arrays;
import java.util.function.BiFunction;

/** Gradients of a model's weights, in eval mode. */
final class Gradients {
  private static final int BATCH = 256;

  private Gradients() {}

  /**
   * Mean over samples of the gradient of −log p(label).
   *
   * @param owner of the result
   * @return one array per weight, of its shape
   */
  static NDList mean(LoadedModel model, SampleDataset dataset, int[] samples, NDManager owner) {
    return mean(
        model,
        dataset,
        samples,
        owner,
        (logits, batch) -> CrossEntropy.perSample(logits, batch.get(1)).sum());
  }

  /**
   * Gradient of a sum over samples, divided by their number.
   *
   * @param sum of a minibatch, from its logits (B, classes) and the batch (x, y)
   */
  static NDList mean(
      LoadedModel model,
      SampleDataset dataset,
      int[] samples,
      NDManager owner,
      BiFunction<NDArray, NDList, NDArray> sum) {
    try (GradientMode on = GradientMode.on()) {
      for (LoadedModel.Weight weight : model.weights()) {
        weight.array().setRequiresGradient(true);
        GradientMode.zero(weight.array());
      }
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = model.manager().newSubManager()) {
          NDList xy = dataset.batch(scope, batch);
          GradientMode.backward(
              sum.apply(model.logits(xy.get(0).toType(model.dataType(), false)), xy));
        }
      }
      return collect(model, samples.length, owner);
    } finally {
      for (LoadedModel.Weight weight : model.weights()) {
        weight.array().setRequiresGradient(false);
      }
    }
  }

  private static NDList collect(LoadedModel model, int samples, NDManager owner) {
    NDList gradients = new NDList();
    try (GradientMode off = GradientMode.off()) {
      for (LoadedModel.Weight weight : model.weights()) {
        NDArray array = weight.array();
        try (PtNDArray gradient = JniUtils.getGradient((PtNDArray) array)) {
          NDArray mean =
              gradient == null
                  ? owner.zeros(array.getShape(), array.getDataType())
                  : gradient.div(samples);
          mean.attach(owner);
          gradients.add(mean);
        }
        GradientMode.zero(array);
      }
    }
    return gradients;
  }
}
