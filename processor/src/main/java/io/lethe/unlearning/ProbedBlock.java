package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.AbstractBlock;
import ai.djl.nn.Block;
import ai.djl.nn.BlockList;
import ai.djl.nn.Parameter;
import ai.djl.nn.ParameterList;
import ai.djl.training.ParameterStore;
import ai.djl.util.PairList;
import java.lang.reflect.Field;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A block whose layers are probed: each layer's output gets a zero array added whose gradient is
 * the loss's gradient by that output, per sample, while the weights themselves need none.
 *
 * <p>DJL has no hooks, so layers are exchanged in {@code AbstractBlock.children} for a wrapper and
 * put back on closing. A block that calls a layer by a field of its own passes the wrapper by: the
 * layer then shows no call, or a sum that disagrees with a one-sample loop, and the caller computes
 * one sample at a time instead.
 */
final class ProbedBlock implements AutoCloseable {
  private final Block root;
  private final List<Layer> layers = new ArrayList<>();
  private final List<Runnable> undo = new ArrayList<>();

  private ProbedBlock(Block root) {
    this.root = root;
  }

  /** The probed block, or empty where a parameter belongs to no layer that has a fast form. */
  static Optional<ProbedBlock> of(Block block) {
    Optional<LayerForm> form = LayerForm.of(block);
    if (form.isPresent()) {
      Layer layer = new Layer(block, form.get());
      ProbedBlock probed = new ProbedBlock(layer);
      probed.layers.add(layer);
      return Optional.of(probed);
    }
    ProbedBlock probed = new ProbedBlock(block);
    if (probed.exchangeChildren(block, new IdentityHashMap<>())) {
      return Optional.of(probed);
    }
    probed.close();
    return Optional.empty();
  }

  private boolean exchangeChildren(Block block, Map<Block, Layer> seen) {
    if (!trainable(block.getDirectParameters()).isEmpty()) {
      return false;
    }
    if (block.getChildren().isEmpty()) {
      return true;
    }
    if (!(block instanceof AbstractBlock)) {
      return trainable(block.getParameters()).isEmpty();
    }
    BlockList children = childrenOf((AbstractBlock) block);
    for (int i = 0; i < children.size(); i++) {
      Block child = children.valueAt(i);
      Optional<LayerForm> form = LayerForm.of(child);
      if (form.isPresent()) {
        Layer layer = seen.get(child);
        if (layer == null) {
          layer = new Layer(child, form.get());
          seen.put(child, layer);
          layers.add(layer);
        }
        replace(children, i, layer);
        int position = i;
        undo.add(() -> replace(children, position, child));
      } else if (!exchangeChildren(child, seen)) {
        return false;
      }
    }
    return true;
  }

  private static void replace(BlockList children, int position, Block block) {
    String name = children.keyAt(position);
    children.remove(position);
    children.add(position, name, block);
  }

  private static BlockList childrenOf(AbstractBlock block) {
    try {
      Field field = AbstractBlock.class.getDeclaredField("children");
      field.setAccessible(true);
      return (BlockList) field.get(block);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("AbstractBlock has no list of children any more", e);
    }
  }

  private static List<Parameter> trainable(ParameterList parameters) {
    return parameters.values().stream().filter(Parameter::requiresGradient).toList();
  }

  List<Layer> layers() {
    return layers;
  }

  /** Runs the block in eval mode and keeps each layer's input and probe. */
  NDArray forward(ParameterStore store, NDArray x) {
    layers.forEach(layer -> layer.calls.clear());
    return root.forward(store, new NDList(x), false).singletonOrThrow();
  }

  /**
   * What a sample took in the last run, in bytes: each layer's input, output, probe, and the
   * gradients of the last two.
   */
  long bytesPerSample() {
    long bytes = 1;
    for (Layer layer : layers) {
      for (Call call : layer.calls) {
        Shape in = call.inputShape();
        Shape out = call.outputShape();
        bytes += (in.size() / in.get(0) + 4 * (out.size() / out.get(0))) * call.valueBytes();
      }
    }
    return bytes;
  }

  @Override
  public void close() {
    for (int i = undo.size() - 1; i >= 0; i--) {
      undo.get(i).run();
    }
    undo.clear();
  }

  /**
   * A run of a layer on a minibatch.
   *
   * @param input what went in
   * @param probe zeros of the output's shape; after the backward pass it holds the gradient
   * @param inputShape known after the arrays are freed, as are the next two
   */
  record Call(NDArray input, NDArray probe, Shape inputShape, Shape outputShape, int valueBytes) {
    static Call of(NDArray input, NDArray probe) {
      return new Call(
          input, probe, input.getShape(), probe.getShape(), probe.getDataType().getNumOfBytes());
    }

    /**
     * Gradient of the summed loss by the layer's output, or null where it does not reach the loss.
     */
    NDArray gradient() {
      return ai.djl.pytorch.jni.JniUtils.getGradient((ai.djl.pytorch.engine.PtNDArray) probe);
    }
  }

  /** Stands in for a layer and probes its output. */
  static final class Layer extends AbstractBlock {
    private final Block layer;
    private final LayerForm form;
    private final List<Call> calls = new ArrayList<>();

    Layer(Block layer, LayerForm form) {
      this.layer = layer;
      this.form = form;
    }

    Block layer() {
      return layer;
    }

    LayerForm form() {
      return form;
    }

    List<Call> calls() {
      return calls;
    }

    /**
     * Whether the layer ran, each time with the samples along its input's and output's first axis.
     */
    boolean sees(long samples) {
      return !calls.isEmpty()
          && calls.stream()
              .allMatch(
                  call ->
                      call.inputShape().get(0) == samples && call.outputShape().get(0) == samples);
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store,
        NDList inputs,
        boolean training,
        PairList<String, Object> parameters) {
      NDArray output = layer.forward(store, inputs, training).singletonOrThrow();
      NDManager scope = output.getManager();
      NDArray probe = scope.zeros(output.getShape(), output.getDataType());
      probe.setRequiresGradient(true);
      calls.add(Call.of(inputs.singletonOrThrow(), probe));
      // In place: none of the layers keeps its output for its own backward pass.
      return new NDList(output.addi(probe));
    }

    @Override
    public ParameterList getDirectParameters() {
      return layer.getDirectParameters();
    }

    @Override
    public Shape[] getOutputShapes(Shape[] inputs) {
      return layer.getOutputShapes(inputs);
    }
  }
}
