package io.lethe.fisher;

import java.util.ArrayList;
import java.util.List;

/**
 * Sums minibatches of squared gradients in float64, so that tens of thousands of samples lose
 * nothing beside the float32 rounding of the result. Not thread-safe.
 */
public final class FisherAccumulator {
  private final List<String> names;
  private final List<List<Long>> shapes;
  private final double[][] sums;
  private long samples;

  /**
   * @param names parameter names in the model's order
   * @param shapes their shapes, in the same order
   */
  public FisherAccumulator(List<String> names, List<List<Long>> shapes) {
    this.names = List.copyOf(names);
    this.shapes = List.copyOf(shapes);
    sums = new double[names.size()][];
    for (int t = 0; t < sums.length; t++) {
      long size = shapes.get(t).stream().reduce(1L, Math::multiplyExact);
      sums[t] = new double[Math.toIntExact(size)];
    }
  }

  /** Adds a minibatch's sums of one tensor. */
  public void add(int tensor, float[] values) {
    double[] sum = sums[tensor];
    checkLength(tensor, values.length);
    for (int i = 0; i < sum.length; i++) {
      sum[i] += values[i];
    }
  }

  /** Adds a minibatch's sums of one tensor. */
  public void add(int tensor, double[] values) {
    double[] sum = sums[tensor];
    checkLength(tensor, values.length);
    for (int i = 0; i < sum.length; i++) {
      sum[i] += values[i];
    }
  }

  private void checkLength(int tensor, int length) {
    if (length != sums[tensor].length) {
      throw new IllegalArgumentException(
          "tensor %s takes %d values, not %d"
              .formatted(names.get(tensor), sums[tensor].length, length));
    }
  }

  /** Says that a minibatch of {@code count} samples has been added to each tensor. */
  public void countSamples(long count) {
    samples += count;
  }

  /** The sums so far in float64; not a copy. */
  public double[] sums(int tensor) {
    return sums[tensor];
  }

  /** The sums so far, rounded to float32. */
  public FisherDiagonal toDiagonal() {
    List<FisherDiagonal.Tensor> tensors = new ArrayList<>(sums.length);
    for (int t = 0; t < sums.length; t++) {
      float[] values = new float[sums[t].length];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) sums[t][i];
      }
      tensors.add(new FisherDiagonal.Tensor(names.get(t), shapes.get(t), values));
    }
    return new FisherDiagonal(tensors, samples);
  }
}
