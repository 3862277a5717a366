package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.model.GradientMode;
import java.util.Arrays;
import java.util.Optional;

/**
 * What goes into a layer, of some samples, without its mean and with nearly unit covariance: x̂ =
 * (x − μ) C^(−1/2), where C is the covariance, divided by its mean eigenvalue, plus {@value #RIDGE}
 * on its diagonal (ZCA, Bell and Sejnowski 1997).
 */
final class WhitenedRows implements AutoCloseable {
  /** Directions in which inputs hardly vary are not blown up to more than its root's inverse. */
  private static final double RIDGE = 0.01;

  /** Rows that the covariance is taken of at most. */
  private static final int LOOKED_AT = 4096;

  /** Features beyond which the eigenvectors would take longer than what they spare. */
  private static final int MOST_FEATURES = 2048;

  private final NDManager owner;
  private final int[] samples;
  private final NDArray rows;
  private final NDArray mean;
  private final NDArray root;
  private final NDArray inverseRoot;

  private WhitenedRows(
      NDManager owner,
      int[] samples,
      NDArray rows,
      NDArray mean,
      NDArray root,
      NDArray inverseRoot) {
    this.owner = owner;
    this.samples = samples;
    this.rows = rows;
    this.mean = mean;
    this.root = root;
    this.inverseRoot = inverseRoot;
  }

  /**
   * @param samples ascending
   * @param inputs (samples, features), a row each; stays with the caller
   * @return empty where there are too many features, or none that varies
   */
  static Optional<WhitenedRows> of(NDManager manager, int[] samples, NDArray inputs) {
    int features = (int) inputs.getShape().get(1);
    if (features > MOST_FEATURES) {
      return Optional.empty();
    }
    NDManager owner = manager.newSubManager();
    try (GradientMode off = GradientMode.off();
        NDManager scope = owner.newSubManager()) {
      scope.tempAttachAll(inputs);
      NDArray mean = inputs.mean(new int[] {0});
      NDArray centred = inputs.sub(mean);
      long apart = (samples.length + LOOKED_AT - 1) / LOOKED_AT;
      NDArray some = centred.get("::" + apart);
      NDArray covariance = some.transpose().matMul(some).div(some.getShape().get(0));
      NDArray eye = scope.eye(features).toType(inputs.getDataType(), false);
      float scale = covariance.mul(eye).sum().toType(eye.getDataType(), false).getFloat();
      if (!(scale > 0)) {
        owner.close();
        return Optional.empty();
      }
      NDList eigen =
          SymmetricEigen.of(covariance.mul(features / scale).add(eye.mul((float) RIDGE)));
      NDArray roots = eigen.get(0).maximum(RIDGE / 2).sqrt();
      NDArray vectors = eigen.get(1);
      NDArray root = vectors.mul(roots).matMul(vectors.transpose());
      NDArray inverseRoot = vectors.div(roots).matMul(vectors.transpose());
      NDArray rows = centred.matMul(inverseRoot);
      new NDList(rows, mean, root, inverseRoot).attach(owner);
      return Optional.of(new WhitenedRows(owner, samples.clone(), rows, mean, root, inverseRoot));
    }
  }

  /** Whether these are of the same samples. */
  boolean isOf(int[] others) {
    return Arrays.equals(samples, others);
  }

  /**
   * x̂ of some of the samples.
   *
   * @param scope owns the result
   */
  NDArray of(int[] some, NDManager scope) {
    long[] at = Arrays.stream(some).mapToLong(s -> Arrays.binarySearch(samples, s)).toArray();
    scope.tempAttachAll(rows);
    return rows.get(scope.create(at, new Shape(at.length)));
  }

  /** μ, (features). */
  NDArray mean() {
    return mean;
  }

  /** C^(1/2), (features, features). */
  NDArray root() {
    return root;
  }

  /** C^(−1/2), (features, features). */
  NDArray inverseRoot() {
    return inverseRoot;
  }

  @Override
  public void close() {
    owner.close();
  }
}
