package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.core.Linear;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * What the lower layers of a job's model say about samples, computed once for as long as those
 * layers stay as they are. A method that trains the last layers, its control, and the measurements
 * before and after both ask for the same.
 *
 * <p>Only of a model whose {@link LayersInARow layers follow each other}; of any other, and of
 * samples whose activations would not fit into {@value #MOST_BYTES} bytes, nothing is kept, and
 * logits are computed from the samples.
 *
 * <p>Nobody is asked what was changed: {@link #keep} looks at the lower layers' weights and running
 * statistics, and begins anew where one bit of them differs. Used by one thread; closed with the
 * job.
 */
public final class Activations implements AutoCloseable {
  /** Share of the weights in the layers above, until a method says otherwise. */
  public static final double SHARE = 0.9;

  private static final long MOST_BYTES = 256L << 20;
  private static final int BATCH = 256;

  private final LoadedModel model;
  private final long mostBytes;
  private final LayersInARow row;
  private final NDManager owner;
  private final Map<SampleDataset, Rows> kept = new IdentityHashMap<>();
  private int first;
  private long bytesPerSample;
  private NDList lower;
  private NDList asKept = new NDList();
  private WhitenedRows whitened;
  private SampleDataset whitenedOf;

  /** Of a dataset: a row per sample, and which it is. */
  private static final class Rows {
    private final Map<Integer, Long> of = new HashMap<>();
    private NDArray values;
  }

  /** Of the last layers that hold {@value #SHARE} of the weights. */
  public Activations(LoadedModel model) {
    this(model, MOST_BYTES);
  }

  Activations(LoadedModel model, long mostBytes) {
    this.model = model;
    this.mostBytes = mostBytes;
    owner = model.manager().newSubManager();
    row = LayersInARow.of(model).orElse(null);
    above(SHARE);
  }

  /**
   * Moves the border to below the last layers that hold a share of all weights, as few as do. What
   * was kept at another border is dropped.
   *
   * @param share above 0, at most 1
   * @return whether there are layers below
   */
  public boolean above(double share) {
    int cut = row == null ? 0 : cut(share);
    if (cut != first || lower == null) {
      drop();
      first = cut;
      bytesPerSample = 0;
      Set<NDArray> arrays = first == 0 ? Set.of() : arrays(row.layers().subList(0, first));
      lower =
          new NDList(
              Stream.concat(model.weights().stream(), model.buffers().stream())
                  .map(LoadedModel.Weight::array)
                  .filter(arrays::contains)
                  .toList());
    }
    return first > 0;
  }

  /** Whether an array belongs to the layers below the border. */
  public boolean isBelow(NDArray array) {
    return lower.stream().anyMatch(one -> one == array);
  }

  private int cut(double share) {
    long all = model.weights().stream().mapToLong(w -> w.array().getShape().size()).sum();
    long held = 0;
    for (int layer = row.layers().size() - 1; layer > 0; layer--) {
      Set<NDArray> arrays = arrays(row.layers().subList(layer, layer + 1));
      held +=
          model.weights().stream()
              .map(LoadedModel.Weight::array)
              .filter(arrays::contains)
              .mapToLong(array -> array.getShape().size())
              .sum();
      if (held >= share * all) {
        return held < all ? layer : 0;
      }
    }
    return 0;
  }

  private static Set<NDArray> arrays(List<Block> layers) {
    Set<NDArray> arrays = Collections.newSetFromMap(new IdentityHashMap<>());
    layers.forEach(
        layer ->
            layer
                .getParameters()
                .forEach(parameter -> arrays.add(parameter.getValue().getArray())));
    return arrays;
  }

  /**
   * Computes what is not there yet. Until the next call the lower layers stay as they are, or
   * logits are wrong.
   *
   * @param samples positions in the dataset
   * @return whether all of them are kept now
   */
  public boolean keep(SampleDataset dataset, int[] samples) {
    if (first == 0 || samples.length == 0) {
      return false;
    }
    if (!isAsKept()) {
      drop();
      for (NDArray array : lower) {
        NDArray copy = array.duplicate();
        copy.attach(owner);
        asKept.add(copy);
      }
    }
    int[] distinct = Arrays.stream(samples).sorted().distinct().toArray();
    if (bytesPerSample == 0) {
      bytesPerSample = bytes(dataset, distinct[0]);
    }
    if (bytesPerSample * distinct.length > mostBytes) {
      forget(); // who is told that not all are kept may train all layers
      return false;
    }
    long held = kept.values().stream().mapToLong(rows -> rows.of.size()).sum();
    if (bytesPerSample * (held + distinct.length) > mostBytes) {
      forget();
    }
    Rows rows = kept.computeIfAbsent(dataset, any -> new Rows());
    add(dataset, Arrays.stream(distinct).filter(i -> !rows.of.containsKey(i)).toArray(), rows);
    return true;
  }

  private long bytes(SampleDataset dataset, int sample) {
    try (GradientMode off = GradientMode.off();
        NDManager scope = owner.newSubManager()) {
      NDArray values = below(dataset, new int[] {sample}, scope);
      return values.getShape().size() * values.getDataType().getNumOfBytes();
    }
  }

  private void add(SampleDataset dataset, int[] missing, Rows rows) {
    if (missing.length == 0) {
      return;
    }
    try (GradientMode off = GradientMode.off();
        NDManager making = owner.newSubManager()) {
      NDList parts = new NDList();
      if (rows.values != null) {
        parts.add(rows.values);
      }
      for (int from = 0; from < missing.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(missing, from, Math.min(missing.length, from + BATCH));
        try (NDManager scope = making.newSubManager()) {
          NDArray part = below(dataset, batch, scope);
          part.attach(making);
          parts.add(part);
        }
      }
      NDArray all = NDArrays.concat(parts);
      all.attach(owner);
      if (rows.values != null) {
        rows.values.close();
      }
      rows.values = all;
      for (int sample : missing) {
        rows.of.put(sample, (long) rows.of.size());
      }
    }
  }

  private NDArray below(SampleDataset dataset, int[] samples, NDManager scope) {
    return row.run(input(dataset, samples, scope), 0, first);
  }

  private NDArray input(SampleDataset dataset, int[] samples, NDManager scope) {
    return dataset.batch(scope, samples).get(0).toType(model.dataType(), false);
  }

  private boolean isAsKept() {
    return asKept.size() == lower.size()
        && IntStream.range(0, lower.size())
            .allMatch(i -> asKept.get(i).contentEquals(lower.get(i)));
  }

  /**
   * The model's outputs as it stands, in eval mode, recorded where the thread records: in the
   * weights above the border where the samples are kept, else in all.
   *
   * @param scope owns the result
   * @return (samples, outputs)
   */
  public NDArray logits(SampleDataset dataset, int[] samples, NDManager scope) {
    Rows rows = kept.get(dataset);
    if (rows == null || !Arrays.stream(samples).allMatch(rows.of::containsKey)) {
      return model.logits(input(dataset, samples, scope));
    }
    return row.run(gather(rows, samples, scope), first, row.layers().size());
  }

  private static NDArray gather(Rows rows, int[] samples, NDManager scope) {
    long[] wanted = Arrays.stream(samples).mapToLong(rows.of::get).toArray();
    scope.tempAttachAll(rows.values);
    return rows.values.get(scope.create(wanted, new Shape(wanted.length)));
  }

  /**
   * Writes the first layer above the border for whitened inputs, until the result is closed. The
   * whitened inputs are kept as well.
   *
   * @param samples positions in the dataset
   * @return empty where that layer is not a dense one with a bias, where it is not in single
   *     precision, where the samples are not kept, or where its inputs cannot be whitened
   */
  public Optional<Whitening> whiten(SampleDataset dataset, int[] samples) {
    Rows rows = kept.get(dataset);
    Block layer = first == 0 ? null : row.layers().get(first);
    int[] distinct = Arrays.stream(samples).sorted().distinct().toArray();
    if (rows == null
        || !(layer instanceof Linear)
        || model.dataType() != DataType.FLOAT32
        || !Arrays.stream(distinct).allMatch(rows.of::containsKey)) {
      return Optional.empty();
    }
    Optional<NDArray> weight = LayersInARow.parameter(layer, Parameter.Type.WEIGHT);
    Optional<NDArray> bias = LayersInARow.parameter(layer, Parameter.Type.BIAS);
    if (bias.isEmpty() || rows.values.getShape().dimension() != 2) {
      return Optional.empty();
    }
    if (whitenedOf != dataset || !whitened.isOf(distinct)) {
      dropWhitened();
      try (NDManager scope = owner.newSubManager()) {
        whitened = WhitenedRows.of(owner, distinct, gather(rows, distinct, scope)).orElse(null);
      }
      whitenedOf = whitened == null ? null : dataset;
    }
    return Optional.ofNullable(whitened)
        .map(inputs -> new Whitening(inputs, row, first, owner, weight.get(), bias.get()));
  }

  private void dropWhitened() {
    if (whitened != null) {
      whitened.close();
    }
    whitened = null;
    whitenedOf = null;
  }

  private void forget() {
    kept.values().forEach(rows -> rows.values.close());
    kept.clear();
  }

  private void drop() {
    dropWhitened();
    forget();
    asKept.close();
    asKept = new NDList();
  }

  @Override
  public void close() {
    owner.close();
  }
}
