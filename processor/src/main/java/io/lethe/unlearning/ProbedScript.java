package io.lethe.unlearning;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.model.LoadedModel;
import io.lethe.model.ModelException;
import io.lethe.model.TorchScriptArchive;
import io.lethe.model.TorchScriptModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * A TorchScript module whose layers are probed: a copy of it in which {@link ProbedSource} has put
 * the probes into the code, with the weights that the model has now.
 *
 * <p>A weight is known again by what it is, not by its place in the code: layers may share a class,
 * and a weight may be used by several. A weight that is computed from parameters is none, and its
 * parameters then show no layer.
 */
final class ProbedScript implements ProbedModel {
  /** Arrays that the code keeps of a layer's run; see lethe_probes.py. */
  private static final int RECORD = 8;

  private final NDManager owner;
  private final PtSymbolBlock module;
  private final NDArray method;
  private final NDList parameters;
  private final List<LoadedModel.Weight> weights;
  private List<Layer> layers = List.of();

  private ProbedScript(TorchScriptModel model, Path file) {
    weights = model.weights();
    owner = model.manager().newSubManager();
    try {
      module = TorchScriptModel.open(file, (PtNDManager) owner);
      parameters = JniUtils.moduleGetParams(module, (PtNDManager) owner);
      parameters.forEach(parameter -> parameter.setRequiresGradient(false));
      method = owner.zeros(new Shape(1));
      method.setName("module_method:" + ProbedSource.METHOD); // DJL's way to say it
    } catch (RuntimeException e) {
      owner.close();
      throw e;
    }
  }

  /** The probed module, or empty where its code is of a kind that probes do not fit into. */
  static Optional<ProbedScript> of(TorchScriptModel model) {
    try {
      Path folder = Files.createTempDirectory("lethe-");
      Path plain = folder.resolve("plain.pt");
      Path probed = folder.resolve("probed.pt");
      try {
        model.write(plain);
        TorchScriptArchive archive = TorchScriptArchive.read(plain);
        archive.write(probed, ProbedSource.of(archive.sources(), archive.rootClass()));
        return Optional.of(new ProbedScript(model, probed));
      } catch (ModelException e) {
        return Optional.empty();
      } finally {
        Files.deleteIfExists(plain);
        Files.deleteIfExists(probed);
        Files.deleteIfExists(folder);
      }
    } catch (IOException e) {
      throw new ModelException("the model cannot be copied: " + e.getMessage(), e);
    }
  }

  /** One or more runs of the same weights. */
  private record Weighted(LayerForm form, Map<String, NDArray> parameters, List<Call> calls)
      implements Layer {}

  @Override
  public NDArray forward(NDArray x) {
    NDList outputs;
    try {
      outputs = IValueUtils.forward(module, new NDList(x, method), true);
    } catch (EngineException e) {
      if (MinibatchMemory.isExhausted(e)) {
        throw e; // a smaller minibatch may do
      }
      throw new ModelException("the model does not run with probes", e);
    }
    layers = layers(outputs);
    return outputs.get(0);
  }

  private List<Layer> layers(NDList outputs) {
    int[] indices = identify(outputs);
    Map<List<Integer>, Layer> found = new LinkedHashMap<>();
    for (int at = 1; at < outputs.size(); at += RECORD) {
      List<Integer> used = List.of(indices[at + 4], indices[at + 5]);
      Layer layer =
          used.equals(List.of(-1, -1))
              ? null
              : found.computeIfAbsent(used, new Record(outputs, at)::layer);
      if (layer != null) {
        layer.calls().add(Call.of(outputs.get(at + 2), outputs.get(at + 3)));
      }
    }
    return List.copyOf(found.values());
  }

  /**
   * Which parameter each array is, or −1. The module hands out its parameters themselves, so each
   * is marked in binary by whether it asks for a gradient, one digit after the other.
   */
  private int[] identify(NDList arrays) {
    int[] numbers = new int[arrays.size()];
    for (int bit = 0; 1 << bit <= parameters.size(); bit++) {
      for (int p = 0; p < parameters.size(); p++) {
        parameters.get(p).setRequiresGradient(((p + 1) >> bit & 1) == 1);
      }
      for (int at = 1; at < numbers.length; at += RECORD) {
        for (int array = at + 4; array < at + 6; array++) {
          numbers[array] |= JniUtils.requiresGrad((PtNDArray) arrays.get(array)) ? 1 << bit : 0;
        }
      }
    }
    parameters.forEach(parameter -> parameter.setRequiresGradient(false));
    return Arrays.stream(numbers).map(number -> number - 1).toArray();
  }

  /** Each weight has one layer: one that has two would be squared apart. */
  @Override
  public boolean sees(long samples) {
    Set<NDArray> covered = Collections.newSetFromMap(new IdentityHashMap<>());
    int count = 0;
    for (Layer layer : layers) {
      covered.addAll(layer.parameters().values());
      count += layer.parameters().size();
    }
    return count == weights.size() && covered.size() == count && ProbedModel.super.sees(samples);
  }

  @Override
  public List<Layer> layers() {
    return layers;
  }

  @Override
  public void close() {
    owner.close();
  }

  /** What the code kept of a layer's run. */
  private final class Record {
    private final NDList arrays;
    private final int at;

    Record(NDList arrays, int at) {
      this.arrays = arrays;
      this.at = at;
    }

    Layer layer(List<Integer> used) {
      long[] settings = arrays.get(at).toLongArray();
      Shape shape = arrays.get(at + 4).getShape();
      boolean bias = arrays.get(at + 5).getShape().size() > 0;
      double epsilon = arrays.get(at + 1).getDouble();
      return switch ((int) settings[0]) {
        case 0 -> layer(new LinearForm(bias), used, "weight", "bias");
        case 1 -> {
          int axes = (settings.length - 2) / 3;
          yield layer(
              new ConvolutionForm(
                  bias,
                  settings[1],
                  shape.slice(2),
                  part(settings, 2, axes),
                  part(settings, 2 + axes, axes),
                  part(settings, 2 + 2 * axes, axes)),
              used,
              "weight",
              "bias");
        }
        case 2 ->
            layer(
                new BatchNormForm(arrays.get(at + 6), arrays.get(at + 7), epsilon),
                used,
                "gamma",
                "beta");
        case 3 ->
            layer(
                new LayerNormForm(part(settings, 1, settings.length - 1), epsilon),
                used,
                "gamma",
                "beta");
        default -> layer(new EmbeddingForm(shape), used, "embedding", "");
      };
    }

    private Layer layer(LayerForm form, List<Integer> used, String weight, String bias) {
      Map<String, NDArray> own = new HashMap<>();
      if (used.get(0) >= 0) {
        own.put(weight, weights.get(used.get(0)).array());
      }
      if (used.get(1) >= 0) {
        own.put(bias, weights.get(used.get(1)).array());
      }
      return new Weighted(form, own, new ArrayList<>());
    }

    private static Shape part(long[] settings, int from, int count) {
      return new Shape(Arrays.copyOfRange(settings, from, from + count));
    }
  }
}
