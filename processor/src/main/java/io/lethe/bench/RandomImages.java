package io.lethe.bench;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.SampleDataset;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;

/** Seeded noise in place of images: the cost of a computation does not depend on what they show. */
final class RandomImages implements SampleDataset {
  /** So many different images; further positions repeat them. */
  private static final int DISTINCT = 512;

  private final Shape shape;
  private final int classes;
  private final int size;
  private final float[][] images = new float[DISTINCT][];

  RandomImages(Shape shape, int classes, int size, long seed) {
    this.shape = shape;
    this.classes = classes;
    this.size = size;
    Random random = new Random(seed);
    for (int i = 0; i < DISTINCT; i++) {
      images[i] = new float[(int) shape.size()];
      for (int p = 0; p < images[i].length; p++) {
        images[i][p] = random.nextFloat();
      }
    }
  }

  @Override
  public int size() {
    return size;
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
    return Integer.toString(index);
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    throw new UnsupportedOperationException("noise has positions only");
  }

  @Override
  public int label(int index) {
    return index % classes;
  }

  @Override
  public NDList batch(NDManager manager, int[] indices) {
    int length = (int) shape.size();
    float[] x = new float[indices.length * length];
    long[] y = new long[indices.length];
    for (int b = 0; b < indices.length; b++) {
      System.arraycopy(images[indices[b] % DISTINCT], 0, x, b * length, length);
      y[b] = label(indices[b]);
    }
    return new NDList(
        manager.create(x, new Shape(indices.length).addAll(shape)),
        manager.create(y, new Shape(indices.length)));
  }

  @Override
  public Optional<String> subject(int index) {
    return Optional.empty();
  }

  @Override
  public String digest() {
    throw new UnsupportedOperationException("noise is not stored");
  }
}
