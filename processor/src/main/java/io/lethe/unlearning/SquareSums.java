package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.lethe.fisher.FisherAccumulator;
import io.lethe.model.LoadedModel;
import java.util.List;

/**
 * Adds minibatches' sums of squares up, in two levels: at most {@value #PARTIAL_ADDITIONS} in the
 * model's own type, those in float64.
 *
 * <p>Squares are not negative, so that no digit cancels: with float32 the partial sums are off by
 * less than {@code 64 · 2⁻²⁴ = 3.9e-6} of the result, whatever the number of minibatches, where one
 * float32 sum would stop to grow. Float64 alone would cost as much as a tenth of a large model's
 * whole computation, since it doubles the bytes that each minibatch moves.
 *
 * <p>A minibatch that failed half way has added nothing. Owns its native arrays as long as the
 * manager lives. Not thread-safe.
 */
final class SquareSums {
  static final int PARTIAL_ADDITIONS = 64;

  private final NDManager manager;
  private final Shape[] shapes;
  private final NDArray[] totals;
  private final NDArray[] partial;
  private int additions;

  /** Zeros of the weights' shapes. */
  SquareSums(NDManager manager, List<LoadedModel.Weight> weights) {
    this(manager, weights.stream().map(weight -> weight.array().getShape()).toArray(Shape[]::new));
  }

  SquareSums(NDManager manager, Shape... shapes) {
    this.manager = manager;
    totals = new NDArray[shapes.length];
    partial = new NDArray[shapes.length];
    this.shapes = shapes;
  }

  /**
   * Adds a minibatch, and takes its arrays over.
   *
   * @param squares for each weight an array of its shape, or null where nothing reached it
   */
  void add(NDArray[] squares) {
    for (int t = 0; t < totals.length; t++) {
      if (squares[t] == null) {
        continue;
      }
      if (partial[t] == null) {
        // Laid out as it is: a layer's minibatches share a layout, which need not be row-major.
        partial[t] = squares[t];
        partial[t].attach(manager);
      } else {
        partial[t].addi(squares[t]);
      }
    }
    if (++additions == PARTIAL_ADDITIONS) {
      fold();
    }
  }

  /** The float64 sums of everything added so far, in the weights' order. */
  NDArray[] totals() {
    fold();
    for (int t = 0; t < totals.length; t++) {
      if (totals[t] == null) {
        totals[t] = manager.zeros(shapes[t], DataType.FLOAT64);
      }
    }
    return totals;
  }

  /** Adds the sums to others of the same weights. */
  void addTo(FisherAccumulator others) {
    NDArray[] sums = totals();
    for (int t = 0; t < sums.length; t++) {
      others.add(t, sums[t].toDoubleArray());
    }
  }

  private void fold() {
    for (int t = 0; t < totals.length; t++) {
      if (partial[t] != null) {
        if (totals[t] != null) {
          totals[t].addi(partial[t]);
          partial[t].close();
        } else if (partial[t].getDataType() == DataType.FLOAT64) {
          totals[t] = partial[t];
        } else {
          totals[t] = partial[t].toType(DataType.FLOAT64, false);
          partial[t].close();
        }
        partial[t] = null;
      }
    }
    additions = 0;
  }
}
