package io.lethe.heldout;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * What models that never saw them say about samples.
 *
 * @param classes logits per sample
 * @param sampleIds the samples, distinct
 * @param logits unnormalised log-probabilities (samples, classes), row-major
 */
@SuppressWarnings("ArrayRecordComponent") // handed from one owner to the next
public record HeldOutRows(int classes, List<String> sampleIds, float[] logits) {
  public HeldOutRows {
    if (logits.length != (long) sampleIds.size() * classes) {
      throw new IllegalArgumentException(
          "%d logits for %d samples of %d classes"
              .formatted(logits.length, sampleIds.size(), classes));
    }
  }

  /** The logits, little-endian float32. */
  public ByteBuffer bytes() {
    return ByteBuffer.wrap(bytes(logits, 0, logits.length));
  }

  /** Little-endian float32, as events and stores carry logits. */
  static byte[] bytes(float[] logits, int from, int to) {
    byte[] bytes = new byte[(to - from) * Float.BYTES];
    ByteBuffer.wrap(bytes)
        .order(ByteOrder.LITTLE_ENDIAN)
        .asFloatBuffer()
        .put(logits, from, to - from);
    return bytes;
  }

  /** The reverse of {@link #bytes}. */
  public static float[] floats(ByteBuffer bytes) {
    float[] floats = new float[bytes.remaining() / Float.BYTES];
    bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(floats);
    return floats;
  }
}
