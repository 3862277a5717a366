package io.lethe.dataset;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.IntFunction;

/** Samples held in row-major (N, C, H, W), normalised per channel when they are read. */
final class InMemoryDataset implements SampleDataset {
  private final Values values;
  private final int[] labels;
  private final SampleIds ids;
  private final IntFunction<String> subjects;
  private final Shape shape;
  private final int classes;
  private final Normalisation normalisation;
  private String digest;

  /**
   * @param labels from 0; their largest, or {@code classes}, decides the number of classes
   * @param subjects the subject of a position, or null where nobody knows
   */
  InMemoryDataset(
      Values values,
      int[] labels,
      Shape shape,
      int classes,
      SampleIds ids,
      IntFunction<String> subjects,
      Normalisation normalisation) {
    this.values = values;
    this.labels = labels;
    this.shape = shape;
    this.classes = Math.max(classes, Math.max(2, Arrays.stream(labels).max().orElse(0) + 1));
    this.ids = ids;
    this.subjects = subjects;
    this.normalisation = normalisation;
    if (values.length() != labels.length * shape.size()) {
      throw new IllegalArgumentException("values and labels differ in number");
    }
  }

  @Override
  public int size() {
    return labels.length;
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public Shape sampleShape() {
    return shape;
  }

  @Override
  public String sampleId(int index) {
    check(index);
    return ids.id(index);
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    return ids.indexOf(sampleId);
  }

  @Override
  public int label(int index) {
    check(index);
    return labels[index];
  }

  @Override
  public NDList batch(NDManager manager, int[] indices) {
    int size = (int) shape.size();
    int plane = (int) (shape.get(1) * shape.get(2));
    float[] x = new float[indices.length * size];
    long[] y = new long[indices.length];
    for (int b = 0; b < indices.length; b++) {
      y[b] = label(indices[b]);
      int from = indices[b] * size;
      for (int p = 0; p < size; p++) {
        x[b * size + p] = normalisation.apply(values.get(from + p), p / plane);
      }
    }
    return new NDList(
        manager.create(x, new Shape(indices.length).addAll(shape)),
        manager.create(y, new Shape(indices.length)));
  }

  @Override
  public Optional<String> subject(int index) {
    check(index);
    return subjects == null ? Optional.empty() : Optional.of(subjects.apply(index));
  }

  @Override
  public synchronized String digest() {
    if (digest == null) {
      try {
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        sha.update((shape + " " + classes + " " + normalisation).getBytes(StandardCharsets.UTF_8));
        values.digest(sha);
        ByteBuffer numbers = ByteBuffer.allocate(labels.length * Integer.BYTES);
        numbers.asIntBuffer().put(labels);
        sha.update(numbers);
        digest = HexFormat.of().formatHex(sha.digest());
      } catch (NoSuchAlgorithmException e) {
        throw new IllegalStateException(e);
      }
    }
    return digest;
  }

  private void check(int index) {
    if (index < 0 || index >= labels.length) {
      throw new IndexOutOfBoundsException(
          "position %d of a dataset of %d".formatted(index, labels.length));
    }
  }
}
