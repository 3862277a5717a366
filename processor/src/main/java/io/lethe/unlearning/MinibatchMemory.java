package io.lethe.unlearning;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.util.cuda.CudaUtils;
import java.lang.management.MemoryUsage;
import java.util.Locale;

/** How much memory a minibatch may take, and how its lack shows. */
final class MinibatchMemory {
  /** What a minibatch takes on a CPU: a small part of what a server has. */
  private static final long CPU_BYTES = 768L << 20;

  /** The forms' own arrays and what the allocator cannot use come out of the other half. */
  private static final int SHARE_OF_FREE = 2;

  /** Float64 totals, float32 partial sums and a minibatch's sums. */
  private static final int BYTES_PER_PARAMETER = 16;

  private MinibatchMemory() {}

  /**
   * @param parameters number of the model's trainable values
   * @return bytes for the inputs, outputs and gradients of a minibatch's layers: on a GPU half of
   *     what is free beside the sums
   */
  static long of(Device device, long parameters) {
    if (!device.isGpu()) {
      return CPU_BYTES;
    }
    MemoryUsage usage = CudaUtils.getGpuMemory(device);
    return ofFree(usage.getMax() - usage.getUsed(), parameters);
  }

  /** As {@link #of} for a card with so many bytes free. */
  static long ofFree(long free, long parameters) {
    return Math.max(1, (free - BYTES_PER_PARAMETER * parameters) / SHARE_OF_FREE);
  }

  /** Whether PyTorch says that it got no memory, on a card or on the host. */
  static boolean isExhausted(EngineException e) {
    String message = String.valueOf(e.getMessage()).toLowerCase(Locale.ROOT);
    return message.contains("out of memory")
        || message.contains("alloc_failed") // cuBLAS's and cuDNN's own
        || message.contains("not enough memory")
        || message.contains("can't allocate memory");
  }
}
