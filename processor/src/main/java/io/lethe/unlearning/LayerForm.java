package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.convolutional.Conv1d;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.convolutional.Convolution;
import ai.djl.nn.core.Embedding;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.nn.norm.LayerNorm;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import io.lethe.model.PRelu;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Exact per-sample weight gradients of one kind of layer, from its input and the gradient by its
 * output. The first axis of both is the sample; maps are by the parameter's own name, such as
 * {@code weight}. Results attach to the input's manager.
 */
interface LayerForm {
  /** Parameters of {@code AbstractBlock.forwardInternal} and {@code Block.forward}. */
  Class<?>[] FORWARD = {ParameterStore.class, NDList.class, boolean.class, PairList.class};

  /**
   * @return for each parameter the gradient of each sample's loss, (B, shape of the parameter)
   */
  Map<String, NDArray> perSample(NDArray input, NDArray gradient);

  /**
   * @return for each parameter {@code Σ_b (∂ loss_b / ∂θ)²}, of the parameter's shape. A form that
   *     can do without the per-sample gradients overrides it.
   */
  default Map<String, NDArray> squares(NDArray input, NDArray gradient) {
    Map<String, NDArray> squares = new TreeMap<>();
    perSample(input, gradient)
        .forEach((name, value) -> squares.put(name, value.square().sum(new int[] {0})));
    return squares;
  }

  /** The form of a layer, or empty where there is none; then its children are looked at. */
  static Optional<LayerForm> of(Block block) {
    if (runs(block, Linear.class)) {
      return Optional.of(new LinearForm((Linear) block));
    }
    if (runs(block, Conv2d.class, Convolution.class)
        || runs(block, Conv1d.class, Convolution.class)) {
      return Optional.of(new ConvolutionForm((Convolution) block));
    }
    if (runs(block, BatchNorm.class)) {
      return BatchNormForm.of((BatchNorm) block);
    }
    if (runs(block, LayerNorm.class)) {
      return Optional.of(new LayerNormForm((LayerNorm) block));
    }
    if (block instanceof PRelu prelu) {
      return Optional.of(new PReluForm(prelu));
    }
    if (runs(block, Embedding.class)) {
      return Optional.of(
          new EmbeddingForm(
              ((Embedding<?>) block).getDirectParameters().get("embedding").getArray().getShape()));
    }
    return Optional.empty();
  }

  private static boolean runs(Block block, Class<? extends AbstractBlock> layer) {
    return runs(block, layer, layer);
  }

  /** Whether a block is such a layer and computes what that layer's class computes. */
  private static boolean runs(Block block, Class<?> layer, Class<?> declaring) {
    if (!layer.isInstance(block)) {
      return false;
    }
    for (Class<?> type = block.getClass(); type != null; type = type.getSuperclass()) {
      if (Arrays.stream(type.getDeclaredMethods())
          .anyMatch(method -> Arrays.equals(method.getParameterTypes(), FORWARD))) {
        return type == declaring;
      }
    }
    return false;
  }
}
