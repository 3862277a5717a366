package io.lethe.dataset;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * Samples held as bytes in row-major (N, C, H, W); 0 to 255 become 0 to 1 and are normalised per
 * channel when they are read.
 */
final class InMemoryDataset implements SampleDataset {
  private final byte[] pixels;
  private final byte[] labels;
  private final int[] subjects;
  private final String subjectFormat;
  private final String idPrefix;
  private final Shape shape;
  private final int classes;
  private final Normalisation normalisation;
  private String digest;

  /**
   * @param subjects number of the subject of each sample, or null where nobody knows
   * @param subjectFormat makes a subject's id from its number
   */
  InMemoryDataset(
      byte[] pixels,
      byte[] labels,
      Shape shape,
      int classes,
      String idPrefix,
      int[] subjects,
      String subjectFormat,
      Normalisation normalisation) {
    this.pixels = pixels;
    this.labels = labels;
    this.shape = shape;
    this.classes = classes;
    this.idPrefix = idPrefix;
    this.subjects = subjects;
    this.subjectFormat = subjectFormat;
    this.normalisation = normalisation;
    if (pixels.length != labels.length * shape.size()) {
      throw new IllegalArgumentException("pixels and labels differ in number");
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
    String digits = Integer.toString(index);
    return idPrefix + "0".repeat(Math.max(0, 5 - digits.length())) + digits;
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    if (!sampleId.startsWith(idPrefix) || sampleId.length() > idPrefix.length() + 10) {
      return OptionalInt.empty();
    }
    String digits = sampleId.substring(idPrefix.length());
    if (digits.isEmpty() || !digits.chars().allMatch(c -> c >= '0' && c <= '9')) {
      return OptionalInt.empty();
    }
    long index = Long.parseLong(digits);
    return index < size() && sampleId((int) index).equals(sampleId)
        ? OptionalInt.of((int) index)
        : OptionalInt.empty();
  }

  @Override
  public int label(int index) {
    check(index);
    return labels[index] & 0xff;
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
        x[b * size + p] = normalisation.apply((pixels[from + p] & 0xff) / 255f, p / plane);
      }
    }
    return new NDList(
        manager.create(x, new Shape(indices.length).addAll(shape)),
        manager.create(y, new Shape(indices.length)));
  }

  @Override
  public Optional<String> subject(int index) {
    check(index);
    return subjects == null
        ? Optional.empty()
        : Optional.of(subjectFormat.formatted(subjects[index]));
  }

  @Override
  public synchronized String digest() {
    if (digest == null) {
      try {
        MessageDigest sha = MessageDigest.getInstance("SHA-256");
        sha.update((shape + " " + classes + " " + normalisation).getBytes(StandardCharsets.UTF_8));
        sha.update(ByteBuffer.wrap(pixels));
        sha.update(labels);
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
