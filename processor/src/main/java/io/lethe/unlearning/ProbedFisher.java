package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.IdentityHashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * A minibatch's sums of squared per-sample gradients from one forward and one backward pass over a
 * probed block. Closing takes the probes out of the model.
 */
final class ProbedFisher implements AutoCloseable {
  /** Memory for per-sample gradients of a layer that runs more than once. */
  private static final long SHARED_BYTES = 64 << 20;

  private final LoadedModel model;
  private final ProbedModel block;
  private final List<LoadedModel.Weight> weights;
  private final Map<NDArray, Integer> positions = new IdentityHashMap<>();
  private long bytesPerSample = 1;

  private ProbedFisher(LoadedModel model, ProbedModel block) {
    this.model = model;
    this.block = block;
    weights = model.weights();
    for (int t = 0; t < weights.size(); t++) {
      positions.put(weights.get(t).array(), t);
    }
  }

  /** Empty where a parameter belongs to no layer that has a fast form. */
  static Optional<ProbedFisher> of(LoadedModel model) {
    return ProbedModel.of(model).map(block -> new ProbedFisher(model, block));
  }

  /** What a sample of the last minibatch took, in bytes. */
  long bytesPerSample() {
    return bytesPerSample;
  }

  /**
   * {@code Σ_b (∂ log p(y_b | x_b; θ) / ∂θ)²} over a minibatch.
   *
   * @param scope closed by the caller when it has used the result; owns all that this call makes
   * @param xy samples and labels, of the scope
   * @return for each weight an array of its shape, or null where it is frozen; empty where a layer
   *     was passed by or does not see the samples one by one
   * @throws UnlearningException naming a parameter that received no gradient, or when a loss is not
   *     finite
   */
  Optional<NDArray[]> squares(NDManager scope, NDList xy) {
    try (GradientMode on = GradientMode.on()) {
      NDArray logits = block.forward(xy.get(0).toType(model.dataType(), false));
      if (!block.sees(xy.get(1).size())) {
        return Optional.empty();
      }
      // Now: whatever runs the model next, as the one-sample loop does, adds its calls to these.
      bytesPerSample = block.bytesPerSample();
      NDArray loss = CrossEntropy.perSample(logits, xy.get(1)).sum();
      FisherComputer.requireFinite(loss);
      Iterator<NDArray> gradients = OutputGradients.of(loss, outputs()).iterator();
      try (GradientMode off = GradientMode.off()) {
        NDArray[] squares = new NDArray[weights.size()];
        for (ProbedModel.Layer layer : block.layers()) {
          addLayer(layer, gradients, squares, scope);
        }
        return Optional.of(squares);
      }
    }
  }

  private NDList outputs() {
    NDList outputs = new NDList();
    for (ProbedModel.Layer layer : block.layers()) {
      layer.calls().forEach(call -> outputs.add(call.output()));
    }
    return outputs;
  }

  /**
   * @param next gradients of the layer's calls come first
   */
  private void addLayer(
      ProbedModel.Layer layer,
      Iterator<NDArray> next,
      NDArray[] squares,
      NDManager minibatchScope) {
    Map<String, NDArray> parameters = layer.parameters();
    try (NDManager scope = minibatchScope.newSubManager()) {
      NDList inputs = new NDList();
      NDList gradients = new NDList();
      for (ProbedModel.Call call : layer.calls()) {
        NDArray gradient = next.next();
        if (gradient.size() == 0) {
          throw FisherComputer.noGradient(nameOf(parameters));
        }
        gradient.attach(scope);
        inputs.add(call.input());
        gradients.add(gradient);
      }
      // Not attached for good: another layer may have the same input.
      scope.tempAttachAll(inputs);
      Map<String, NDArray> sums =
          inputs.size() == 1
              ? layer.form().squares(inputs.get(0), gradients.get(0))
              : shared(layer, inputs, gradients, parameters);
      sums.forEach((name, sum) -> add(parameters.get(name), sum, squares, minibatchScope));
    }
  }

  /** A weight of a layer, by name: its running statistics are none. */
  private String nameOf(Map<String, NDArray> parameters) {
    return parameters.values().stream()
        .filter(positions::containsKey)
        .findFirst()
        .map(parameter -> weights.get(positions.get(parameter)).name())
        .orElse("of a frozen layer");
  }

  private void add(NDArray parameter, NDArray sum, NDArray[] squares, NDManager scope) {
    Integer position = positions.get(parameter);
    if (position == null) {
      return; // frozen, or computed from other parameters
    }
    NDArray shaped = sum.reshape(parameter.getShape());
    squares[position] = squares[position] == null ? shaped : squares[position].add(shaped);
    squares[position].attach(scope);
  }

  /** A layer that ran more than once: a sample's gradients add up before they are squared. */
  private Map<String, NDArray> shared(
      ProbedModel.Layer layer, NDList inputs, NDList gradients, Map<String, NDArray> parameters) {
    NDManager owner = inputs.getManager();
    long samples = inputs.get(0).getShape().get(0);
    long bytes = 0;
    for (NDArray parameter : parameters.values()) {
      bytes += parameter.getShape().size() * model.dataType().getNumOfBytes();
    }
    long step = Math.max(1, Math.min(samples, SHARED_BYTES / bytes));
    Map<String, NDArray> sums = new TreeMap<>();
    for (long from = 0; from < samples; from += step) {
      NDIndex part = new NDIndex().addSliceDim(from, Math.min(samples, from + step));
      try (NDManager scope = owner.newSubManager()) {
        scope.tempAttachAll(inputs, gradients);
        Map<String, NDArray> total = new TreeMap<>();
        for (int call = 0; call < inputs.size(); call++) {
          layer
              .form()
              .perSample(inputs.get(call).get(part), gradients.get(call).get(part))
              .forEach((name, value) -> total.merge(name, value, NDArray::add));
        }
        total.forEach(
            (name, value) -> {
              NDArray sum = value.square().sum(new int[] {0});
              sum.attach(owner);
              sums.merge(name, sum, NDArray::addi);
            });
      }
    }
    return sums;
  }

  @Override
  public void close() {
    block.close();
  }
}
