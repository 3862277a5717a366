package io.lethe.cli;

import ai.djl.engine.Engine;
import ai.djl.pytorch.jni.JniUtils;
import picocli.CommandLine.Option;

/** How many threads compute. */
final class Threads {
  private static final int MOST = 1024;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute (default: PyTorch's choice, one per core).")
  private Integer threads;

  /** Sets the number for this thread's computations; returns what it is. */
  int apply() {
    if (threads != null && (threads < 1 || threads > MOST)) {
      throw new UnusableException("--threads: 1 to " + MOST + ", not " + threads);
    }
    Engine.getInstance(); // loads the native library
    if (threads != null) {
      JniUtils.setNumThreads(threads);
    }
    return JniUtils.getNumThreads();
  }
}
