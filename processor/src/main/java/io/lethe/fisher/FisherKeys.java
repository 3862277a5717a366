package io.lethe.fisher;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.apache.kafka.common.utils.Bytes;

/** How Fisher sums lie in a store: model, anchor, area, tensor, chunk. */
final class FisherKeys {
  static final String META = "meta";
  static final String SNAPSHOT = "snapshot";
  static final String ERASED = "erased";
  static final String STAGED = "staged";

  private FisherKeys() {}

  /** The area where a job's update waits for its commit marker; below {@link #STAGED}. */
  static String staging(UUID jobId) {
    return STAGED + '\u0000' + jobId;
  }

  static Bytes prefix(String... parts) {
    return Bytes.wrap((String.join("\u0000", parts) + '\u0000').getBytes(StandardCharsets.UTF_8));
  }

  static Bytes key(String modelId, String anchorId, String area, String tensor, int chunk) {
    byte[] prefix = prefix(modelId, anchorId, area, tensor).get();
    return Bytes.wrap(
        ByteBuffer.allocate(prefix.length + Integer.BYTES).put(prefix).putInt(chunk).array());
  }
}
