package io.lethe.cli;

import ai.djl.pytorch.jni.JniUtils;
import io.lethe.model.Devices;
import picocli.CommandLine.Option;

/** Where models compute, and with how many threads. */
final class Compute {
  private static final int MOST = 1024;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads that compute (default: PyTorch's choice, one per core).")
  private Integer threads;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      description = "auto (a GPU where PyTorch sees one), cpu, or gpu:N (default: auto).",
      defaultValue = "auto")
  private String device;

  /**
   * Chooses the device for the process and the number of threads for this thread's computations;
   * returns the number.
   */
  int apply() {
    if (threads != null && (threads < 1 || threads > MOST)) {
      throw new UnusableException("--threads: 1 to " + MOST + ", not " + threads);
    }
    Devices.select(device);
    if (threads != null) {
      JniUtils.setNumThreads(threads);
    }
    return JniUtils.getNumThreads();
  }
}
