package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/** Eigenvalues and vectors of a symmetric matrix: PyTorch's, for which DJL has no call. */
public final class SymmetricEigen {
  private SymmetricEigen() {}

  /** Loaded on first use. */
  private static final class Holder {
    static final NativeScript SCRIPT =
        NativeScript.load("symmetric_eigen.py", SymmetricEigen.class.getSimpleName());
  }

  /**
   * @param matrix symmetric (n, n), of which the lower triangle is read; left as it is
   * @return values (n), ascending, and orthonormal vectors (n, n), a column each in the same order;
   *     of the matrix's manager and type
   */
  public static NDList of(NDArray matrix) {
    return Holder.SCRIPT.run(new NDList(matrix));
  }
}
