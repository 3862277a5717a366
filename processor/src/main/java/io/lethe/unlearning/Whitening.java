package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.lethe.model.GradientMode;

/**
 * While this is open, the first layer above the border of {@link Activations} is written for {@link
 * WhitenedRows whitened inputs}: of weights W and bias b it has
 *
 * <pre>
 *   Ŵ = W C^(1/2)      b̂ = b + W μ      so that  Ŵ x̂ + b̂ = W x + b
 * </pre>
 *
 * <p>The model says the same of the samples, and an optimizer that looks at each weight for itself,
 * as Adam does, takes directions of much and of little variance for alike. What a layer learns lies
 * to a good part in the latter, where steps in plain coordinates hardly come to: with whitened
 * inputs a third to a half of the steps do (docs/comparison.md). That inputs are worth whitening is
 * old (LeCun et al. 1998, "Efficient BackProp", section 4.3); here it costs next to nothing, as the
 * layers below stay as they are.
 *
 * <p>Closing writes what was learnt back into plain weights: of weights that did not move, exactly
 * those that there were. Closing again does nothing.
 */
public final class Whitening implements AutoCloseable {
  private final WhitenedRows inputs;
  private final LayersInARow row;
  private final int first;
  private final NDManager own;
  private final NDArray weight;
  private final NDArray bias;
  private final NDArray plainWeight;
  private final NDArray plainBias;
  private final NDArray startWeight;
  private final NDArray startBias;
  private boolean open = true;

  /**
   * @param inputs of the layer at {@code first}; stays with the caller
   * @param weight of that layer, (units, features); written to
   * @param bias of it, (units); written to
   */
  Whitening(
      WhitenedRows inputs,
      LayersInARow row,
      int first,
      NDManager manager,
      NDArray weight,
      NDArray bias) {
    this.inputs = inputs;
    this.row = row;
    this.first = first;
    this.weight = weight;
    this.bias = bias;
    own = manager.newSubManager();
    try (GradientMode off = GradientMode.off();
        NDManager scope = own.newSubManager()) {
      plainWeight = copy(weight);
      plainBias = copy(bias);
      scope.tempAttachAll(weight, bias, inputs.mean(), inputs.root());
      bias.addi(weight.matMul(inputs.mean()));
      weight.matMul(inputs.root()).copyTo(weight);
      startWeight = copy(weight);
      startBias = copy(bias);
    }
  }

  private NDArray copy(NDArray array) {
    NDArray copy = array.duplicate();
    copy.attach(own);
    return copy;
  }

  /**
   * The model's outputs as it stands, in eval mode, recorded where the thread records.
   *
   * @param samples some of those whose inputs were whitened
   * @param scope owns the result
   * @return (samples, outputs)
   */
  public NDArray logits(int[] samples, NDManager scope) {
    return row.run(inputs.of(samples, scope), first, row.layers().size());
  }

  @Override
  public void close() {
    if (!open) {
      return;
    }
    open = false;
    try (GradientMode off = GradientMode.off();
        NDManager scope = own.newSubManager()) {
      scope.tempAttachAll(weight, bias, inputs.mean(), inputs.inverseRoot());
      NDArray moved = weight.sub(startWeight).matMul(inputs.inverseRoot());
      bias.sub(startBias).sub(moved.matMul(inputs.mean())).add(plainBias).copyTo(bias);
      moved.add(plainWeight).copyTo(weight);
    }
    own.close();
  }
}
