package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;
import io.lethe.model.DjlModel;
import io.lethe.model.LoadedModel;
import io.lethe.model.TorchScriptModel;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A model whose layers are probed: each layer's input and output are kept, and a gradient asked for
 * at the output. It is the loss's gradient by that output, per sample, while the weights themselves
 * need none.
 */
interface ProbedModel extends AutoCloseable {
  /** The probed model, or empty where a parameter is known to belong to no layer of a fast form. */
  static Optional<ProbedModel> of(LoadedModel model) {
    if (model instanceof DjlModel djl) {
      return ProbedBlock.of(djl.block(), djl.parameterStore()).map(block -> block);
    }
    return model instanceof TorchScriptModel script
        ? ProbedScript.of(script).map(probed -> probed)
        : Optional.empty();
  }

  /** Runs the model in eval mode and keeps each layer's input and output. */
  NDArray forward(NDArray x);

  /** The layers as the last run showed them. */
  List<? extends Layer> layers();

  /** Whether the last run showed a layer for each weight, and each layer the samples one by one. */
  default boolean sees(long samples) {
    return layers().stream().allMatch(layer -> layer.sees(samples));
  }

  /**
   * What a sample took in the last run, in bytes: each layer's input, output and gradient, and as
   * much again for what lies between layers.
   */
  default long bytesPerSample() {
    long bytes = 1;
    for (Layer layer : layers()) {
      for (Call call : layer.calls()) {
        Shape in = call.inputShape();
        Shape out = call.outputShape();
        bytes += (in.size() / in.get(0) + 3 * (out.size() / out.get(0))) * call.valueBytes();
      }
    }
    return bytes;
  }

  /** Makes the model plain again. */
  @Override
  void close();

  /** A layer that has a fast form. */
  interface Layer {
    LayerForm form();

    /** Runs of the layer in the model's last run. */
    List<Call> calls();

    /** The model's own arrays by the names that the form gives them. */
    Map<String, NDArray> parameters();

    /**
     * Whether the layer ran, each time with the samples along its input's and output's first axis.
     */
    default boolean sees(long samples) {
      return !calls().isEmpty()
          && calls().stream()
              .allMatch(
                  call ->
                      call.inputShape().get(0) == samples && call.outputShape().get(0) == samples);
    }
  }

  /**
   * A run of a layer on a minibatch.
   *
   * @param input what went in
   * @param output what came out
   * @param inputShape known after the arrays are freed, as are the next two
   */
  record Call(NDArray input, NDArray output, Shape inputShape, Shape outputShape, int valueBytes) {
    static Call of(NDArray input, NDArray output) {
      return new Call(
          input, output, input.getShape(), output.getShape(), output.getDataType().getNumOfBytes());
    }
  }
}
