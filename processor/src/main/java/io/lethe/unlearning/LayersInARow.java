package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import io.lethe.model.DjlModel;
import io.lethe.model.LoadedModel;
import java.util.List;
import java.util.Optional;

/**
 * A model whose layers follow each other, so that what goes into each can be read: a DJL block that
 * is a plain sequence. A TorchScript model's layers cannot be reached from here.
 */
public final class LayersInARow {
  private final DjlModel model;
  private final List<Block> layers;

  private LayersInARow(DjlModel model, List<Block> layers) {
    this.model = model;
    this.layers = layers;
  }

  public static Optional<LayersInARow> of(LoadedModel model) {
    if (!(model instanceof DjlModel djl) || djl.block().getClass().isAnonymousClass()) {
      return Optional.empty();
    }
    Block root = djl.block();
    if (root instanceof SequentialBlock) {
      List<Block> children = root.getChildren().values();
      return Optional.of(new LayersInARow(djl, children));
    }
    return root instanceof Linear
        ? Optional.of(new LayersInARow(djl, List.of(root)))
        : Optional.empty();
  }

  public List<Block> layers() {
    return layers;
  }

  /** What the model's outputs come out of. */
  public Block last() {
    return layers.get(layers.size() - 1);
  }

  /** Weight of the last layer, (classes, features). */
  public NDArray headWeight() {
    return parameter(last(), Parameter.Type.WEIGHT).orElseThrow();
  }

  /** Bias of the last layer, (classes), where it has one. */
  public Optional<NDArray> headBias() {
    return parameter(last(), Parameter.Type.BIAS);
  }

  public static Optional<NDArray> parameter(Block layer, Parameter.Type type) {
    return layer.getDirectParameters().values().stream()
        .filter(parameter -> parameter.getType() == type)
        .map(Parameter::getArray)
        .findFirst();
  }

  /**
   * What goes into each layer, in eval mode, and last what comes out; recorded where the thread
   * records.
   *
   * @param x (B, C, H, W) of the model's type
   */
  public NDList run(NDArray x) {
    NDList inputs = new NDList(x);
    NDArray current = x;
    for (Block layer : layers) {
      current =
          layer.forward(model.parameterStore(), new NDList(current), false).singletonOrThrow();
      inputs.add(current);
    }
    return inputs;
  }

  /**
   * Some of the layers, one after the other, in eval mode; recorded where the thread records.
   *
   * @param input of the layer at {@code from}
   * @return what goes into the layer at {@code to}, or comes out of the last
   */
  public NDArray run(NDArray input, int from, int to) {
    NDArray current = input;
    for (Block layer : layers.subList(from, to)) {
      current =
          layer.forward(model.parameterStore(), new NDList(current), false).singletonOrThrow();
    }
    return current;
  }
}
