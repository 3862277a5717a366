package io.lethe.fisher;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * A diagonal of the empirical Fisher information as a <em>sum</em> over samples: for each parameter
 * {@code Σ_i (∂ log p(y_i | x_i; θ) / ∂θ)²}, with the number of samples summed.
 *
 * <p>Tensors keep the model's parameter order. Instances are treated as immutable: no method here
 * writes to {@link Tensor#values()}, and callers must not either.
 */
public final class FisherDiagonal {
  private final List<Tensor> tensors;
  private final long samples;

  /**
   * One parameter's sums.
   *
   * @param name the parameter's name, unique in its diagonal
   * @param shape the parameter's shape; its product is {@code values.length}
   * @param values the sums, row-major; not copied
   */
  @SuppressWarnings("ArrayRecordComponent") // a copy per access would double a large model's memory
  public record Tensor(String name, List<Long> shape, float[] values) {
    public Tensor {
      Objects.requireNonNull(name);
      shape = List.copyOf(shape);
      long size = 1;
      for (long dimension : shape) {
        size = Math.multiplyExact(size, dimension);
      }
      if (size != values.length) {
        throw new IllegalArgumentException(
            "tensor %s: shape %s holds %d values, not %d"
                .formatted(name, shape, size, values.length));
      }
    }
  }

  /**
   * @param tensors in the model's parameter order, names distinct
   * @param samples number of samples summed, ≥ 0
   */
  public FisherDiagonal(List<Tensor> tensors, long samples) {
    if (samples < 0) {
      throw new IllegalArgumentException("a sum over " + samples + " samples");
    }
    if (tensors.stream().map(Tensor::name).distinct().count() != tensors.size()) {
      throw new IllegalArgumentException("two tensors of one name");
    }
    this.tensors = List.copyOf(tensors);
    this.samples = samples;
  }

  public List<Tensor> tensors() {
    return tensors;
  }

  /** Number of samples summed. */
  public long samples() {
    return samples;
  }

  /** Number of values over all tensors. */
  public long size() {
    return tensors.stream().mapToLong(tensor -> tensor.values().length).sum();
  }

  /** A diagonal of the same tensors that sums no sample. */
  public FisherDiagonal zero() {
    List<Tensor> zeros = new ArrayList<>(tensors.size());
    for (Tensor tensor : tensors) {
      zeros.add(new Tensor(tensor.name(), tensor.shape(), new float[tensor.values().length]));
    }
    return new FisherDiagonal(zeros, 0);
  }

  /**
   * The sum over this diagonal's and {@code other}'s samples, which must be disjoint.
   *
   * @throws IllegalArgumentException when the tensors differ in name, order or shape
   */
  public FisherDiagonal plus(FisherDiagonal other) {
    return combine(other, 1, Math.addExact(samples, other.samples));
  }

  /**
   * The sum over this diagonal's samples without {@code other}'s, which must be among them. A sum
   * of squares is never negative: what rounding leaves below zero becomes zero.
   *
   * @throws IllegalArgumentException when the tensors differ, or {@code other} sums more samples
   */
  public FisherDiagonal minus(FisherDiagonal other) {
    if (other.samples > samples) {
      throw new IllegalArgumentException(
          "cannot take %d samples from a sum over %d".formatted(other.samples, samples));
    }
    return combine(other, -1, samples - other.samples);
  }

  private FisherDiagonal combine(FisherDiagonal other, int sign, long count) {
    if (tensors.size() != other.tensors.size()) {
      throw new IllegalArgumentException(
          "diagonals of %d and %d tensors".formatted(tensors.size(), other.tensors.size()));
    }
    List<Tensor> result = new ArrayList<>(tensors.size());
    for (int t = 0; t < tensors.size(); t++) {
      Tensor left = tensors.get(t);
      Tensor right = other.tensors.get(t);
      if (!left.name().equals(right.name()) || !left.shape().equals(right.shape())) {
        throw new IllegalArgumentException(
            "tensor %s %s meets %s %s"
                .formatted(left.name(), left.shape(), right.name(), right.shape()));
      }
      float[] values = new float[left.values().length];
      for (int i = 0; i < values.length; i++) {
        values[i] = Math.max(0f, left.values()[i] + sign * right.values()[i]);
      }
      result.add(new Tensor(left.name(), left.shape(), values));
    }
    return new FisherDiagonal(result, count);
  }
}
