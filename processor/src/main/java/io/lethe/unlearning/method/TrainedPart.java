package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The weights that a method trains, and the model's outputs as a function of them.
 *
 * <p>Of a model whose layers follow each other those are its last layers, as few as hold the wanted
 * share of all weights. What the layers below say about a sample is then the same at each step, and
 * is computed once: a step costs the last layers alone. A network with convolutions below and most
 * weights in a dense layer takes steps several times as fast. Of any other model, and where the
 * outputs below would not fit into {@value #MOST_BYTES} bytes, it is all weights.
 */
final class TrainedPart implements AutoCloseable {
  private static final long MOST_BYTES = 256L << 20;
  private static final int BATCH = 256;

  private final UnlearningTask task;
  private final List<NDArray> weights;
  private final NDManager owner;
  private LayersInARow row;
  private int first;
  private NDArray below;
  private final Map<Integer, Integer> rowOf = new HashMap<>();

  /**
   * @param share of all weights that is to be trained, above 0, at most 1
   * @param samples positions in the training dataset whose outputs will be asked for
   */
  TrainedPart(UnlearningTask task, double share, int[] samples) {
    this.task = task;
    owner = task.model().manager().newSubManager();
    LayersInARow layers = LayersInARow.of(task.model()).orElse(null);
    int cut = layers == null ? 0 : cut(task.model(), layers, share);
    if (cut > 0 && samples.length > 0) {
      row = layers;
      first = cut;
      below = below(samples);
    }
    Set<NDArray> frozen = below == null ? Set.of() : arrays(row.layers().subList(0, first));
    weights =
        task.model().weights().stream()
            .map(LoadedModel.Weight::array)
            .filter(array -> !frozen.contains(array))
            .toList();
  }

  /** The arrays that are trained, in the model's order. */
  List<NDArray> weights() {
    return weights;
  }

  /** How many weights of each tensor of the model are trained: all or none. */
  List<Integer> selected() {
    Set<NDArray> trained = identities();
    trained.addAll(weights);
    return task.model().weights().stream()
        .map(
            weight ->
                trained.contains(weight.array())
                    ? Math.toIntExact(weight.array().getShape().size())
                    : 0)
        .toList();
  }

  /**
   * Logits of samples in eval mode, recorded where the thread records.
   *
   * @param samples some of those that were announced
   * @param scope owns the result
   * @return (samples, classes)
   */
  NDArray logits(int[] samples, NDManager scope) {
    if (below == null) {
      NDArray x = task.dataset().batch(scope, samples).get(0);
      return task.model().logits(x.toType(task.model().dataType(), false));
    }
    long[] rows = Arrays.stream(samples).mapToLong(rowOf::get).toArray();
    scope.tempAttachAll(below);
    return row.run(below.get(scope.create(rows)), first, row.layers().size());
  }

  /** First of the layers that are trained; 0 where there is nothing to gain. */
  private static int cut(LoadedModel model, LayersInARow row, double share) {
    long all = model.weights().stream().mapToLong(w -> w.array().getShape().size()).sum();
    long held = 0;
    for (int layer = row.layers().size() - 1; layer > 0; layer--) {
      held += size(model, row.layers().subList(layer, layer + 1));
      if (held >= share * all) {
        return held < all ? layer : 0;
      }
    }
    return 0;
  }

  private static long size(LoadedModel model, List<Block> layers) {
    Set<NDArray> arrays = arrays(layers);
    return model.weights().stream()
        .map(LoadedModel.Weight::array)
        .filter(arrays::contains)
        .mapToLong(array -> array.getShape().size())
        .sum();
  }

  private static Set<NDArray> arrays(List<Block> layers) {
    Set<NDArray> arrays = identities();
    layers.forEach(
        layer ->
            layer
                .getParameters()
                .forEach(parameter -> arrays.add(parameter.getValue().getArray())));
    return arrays;
  }

  private static Set<NDArray> identities() {
    return Collections.newSetFromMap(new IdentityHashMap<>());
  }

  /** What goes into the first trained layer, a row per sample; null where that is too much. */
  private NDArray below(int[] samples) {
    int[] distinct = Arrays.stream(samples).sorted().distinct().toArray();
    NDList parts = new NDList();
    try (GradientMode off = GradientMode.off();
        NDManager making = owner.newSubManager()) {
      for (int from = 0; from < distinct.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(distinct, from, Math.min(distinct.length, from + BATCH));
        try (NDManager scope = making.newSubManager()) {
          NDArray x =
              task.dataset().batch(scope, batch).get(0).toType(task.model().dataType(), false);
          NDArray part = row.run(x, 0, first);
          Shape shape = part.getShape();
          if (shape.size() / batch.length * distinct.length * part.getDataType().getNumOfBytes()
              > MOST_BYTES) {
            return null;
          }
          part.attach(making);
          parts.add(part);
        }
        for (int i = 0; i < batch.length; i++) {
          rowOf.put(batch[i], from + i);
        }
      }
      NDArray all = parts.size() == 1 ? parts.get(0) : ai.djl.ndarray.NDArrays.concat(parts);
      all.attach(owner);
      return all;
    }
  }

  /** The model's outputs as it stands, float32 (samples, classes), row-major. */
  float[] outputs(int[] samples) {
    int classes = 0;
    float[] all = new float[0];
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = owner.newSubManager()) {
          NDArray logits = logits(batch, scope);
          if (from == 0) {
            classes = (int) logits.getShape().get(1);
            all = new float[samples.length * classes];
          }
          float[] values = logits.toType(DataType.FLOAT32, false).toFloatArray();
          System.arraycopy(values, 0, all, from * classes, values.length);
        }
      }
    }
    return all;
  }

  @Override
  public void close() {
    owner.close();
  }
}
