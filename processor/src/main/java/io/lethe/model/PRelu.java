package io.lethe.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Activation;
import ai.djl.nn.Parameter;
import ai.djl.training.ParameterStore;
import ai.djl.training.initializer.ConstantInitializer;
import ai.djl.util.PairList;

/**
 * Parametric ReLU (He et al. 2015, arXiv 1502.01852, equation 1): {@code y = max(x, 0) + α min(x,
 * 0)}, with one α per channel, or one for all.
 *
 * <p>In place of DJL's own {@code Prelu}, which throws on PyTorch. Parameter {@code alpha} of shape
 * (channels) or (1), at first 0.25 as in the paper. Input (B, C, …), output of the same shape.
 */
public final class PRelu extends AbstractBlock {
  private static final float INITIAL = 0.25f;

  private final boolean perChannel;
  private final Parameter alpha;

  /**
   * @param perChannel whether each channel, the second axis, has an α of its own
   */
  public PRelu(boolean perChannel) {
    this.perChannel = perChannel;
    alpha =
        addParameter(
            Parameter.builder()
                .setName("alpha")
                .setType(Parameter.Type.OTHER)
                .optInitializer(new ConstantInitializer(INITIAL))
                .build());
  }

  @Override
  protected void prepare(Shape[] inputs) {
    alpha.setShape(new Shape(perChannel ? inputs[0].get(1) : 1));
  }

  @Override
  protected NDList forwardInternal(
      ParameterStore store, NDList inputs, boolean training, PairList<String, Object> parameters) {
    NDArray x = inputs.singletonOrThrow();
    NDArray positive = Activation.relu(x);
    NDArray slopes = store.getValue(alpha, x.getDevice(), training);
    try (NDManager scope = x.getManager().newSubManager()) {
      // A view would otherwise stay with the model as long as it lives.
      NDArray shaped = slopes.reshape(slopesShape(x.getShape()));
      shaped.attach(scope);
      return new NDList(positive.add(x.sub(positive).mul(shaped)));
    }
  }

  private Shape slopesShape(Shape input) {
    long[] shape = new long[input.dimension()];
    java.util.Arrays.fill(shape, 1);
    shape[1] = alpha.getShape().get(0);
    return new Shape(shape);
  }

  @Override
  public Shape[] getOutputShapes(Shape[] inputs) {
    return inputs;
  }

  @Override
  public void initializeChildBlocks(NDManager manager, DataType type, Shape... inputs) {
    // It has none.
  }
}
