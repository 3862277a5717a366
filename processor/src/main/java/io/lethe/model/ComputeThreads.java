package io.lethe.model;

import ai.djl.pytorch.jni.JniUtils;

/**
 * With how many threads PyTorch computes one operation. OpenMP keeps the number for each thread
 * that asks for computations; a new one begins with what was set last, by whichever thread.
 */
public final class ComputeThreads {
  private ComputeThreads() {}

  /** Of this thread's computations. */
  public static int get() {
    NativeLibrary.load();
    return JniUtils.getNumThreads();
  }

  /** For this thread, and for threads that have computed nothing yet. */
  public static void set(int threads) {
    NativeLibrary.load();
    JniUtils.setNumThreads(threads);
  }
}
