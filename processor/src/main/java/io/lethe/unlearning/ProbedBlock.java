package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
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
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A DJL block whose layers are probed.
 *
 * <p>DJL has no hooks, so layers are exchanged in {@code AbstractBlock.children} for a wrapper and
 * put back on closing. A block that calls a layer by a field of its own passes the wrapper by: the
 * layer then shows no call, or a sum that disagrees with a one-sample loop, and the caller computes
 * one sample at a time instead. So it is where a block changes a layer's output in place.
 */
final class ProbedBlock implements ProbedModel {
  private final Block root;
  private final ParameterStore store;
  private final List<Layer> layers = new ArrayList<>();
  private final List<Runnable> undo = new ArrayList<>();

  private ProbedBlock(Block root, ParameterStore store) {
    this.root = root;
    this.store = store;
  }

  /** The probed block, or empty where a parameter belongs to no layer that has a fast form. */
  static Optional<ProbedBlock> of(Block block, ParameterStore store) {
    Optional<LayerForm> form = LayerForm.of(block);
    if (form.isPresent()) {
      Layer layer = new Layer(block, form.get());
      ProbedBlock probed = new ProbedBlock(layer, store);
      probed.layers.add(layer);
      return Optional.of(probed);
    }
    ProbedBlock probed = new ProbedBlock(block, store);
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

  @Override
  public List<Layer> layers() {
    return layers;
  }

  @Override
  public NDArray forward(NDArray x) {
    layers.forEach(layer -> layer.calls.clear());
    return root.forward(store, new NDList(x), false).singletonOrThrow();
  }

  @Override
  public void close() {
    for (int i = undo.size() - 1; i >= 0; i--) {
      undo.get(i).run();
    }
    undo.clear();
  }

  /** Stands in for a layer and keeps what goes in and comes out. */
  static final class Layer extends AbstractBlock implements ProbedModel.Layer {
    private final Block layer;
    private final LayerForm form;
    private final List<Call> calls = new ArrayList<>();

    Layer(Block layer, LayerForm form) {
      this.layer = layer;
      this.form = form;
    }

    @Override
    public LayerForm form() {
      return form;
    }

    @Override
    public List<Call> calls() {
      return calls;
    }

    @Override
    public Map<String, NDArray> parameters() {
      Map<String, NDArray> parameters = new HashMap<>();
      layer
          .getDirectParameters()
          .toMap()
          .forEach((name, parameter) -> parameters.put(name, parameter.getArray()));
      return parameters;
    }

    @Override
    protected NDList forwardInternal(
        ParameterStore store,
        NDList inputs,
        boolean training,
        PairList<String, Object> parameters) {
      NDArray output = layer.forward(store, inputs, training).singletonOrThrow();
      output.setRequiresGradient(true); // of the first layer; later ones have it by then
      calls.add(Call.of(inputs.singletonOrThrow(), output));
      return new NDList(output);
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
