package io.lethe.heldout;

import java.nio.charset.StandardCharsets;
import java.util.UUID;
import org.apache.kafka.common.utils.Bytes;

/** How held-out targets lie in a store: model, anchor, and there the state, or job and sample. */
final class HeldOutKeys {
  private static final String META = "meta";
  private static final String ROWS = "rows";

  private HeldOutKeys() {}

  static Bytes meta(String modelId, String anchorId) {
    return prefix(modelId, anchorId, META);
  }

  static Bytes anchor(String modelId, String anchorId) {
    return prefix(modelId, anchorId);
  }

  static Bytes rows(String modelId, String anchorId) {
    return prefix(modelId, anchorId, ROWS);
  }

  static Bytes rows(String modelId, String anchorId, UUID jobId) {
    return prefix(modelId, anchorId, ROWS, jobId.toString());
  }

  static Bytes row(String modelId, String anchorId, UUID jobId, String sampleId) {
    return prefix(modelId, anchorId, ROWS, jobId.toString(), sampleId);
  }

  static boolean startsWith(Bytes key, Bytes prefix) {
    byte[] given = key.get();
    byte[] wanted = prefix.get();
    return given.length >= wanted.length
        && java.util.Arrays.equals(given, 0, wanted.length, wanted, 0, wanted.length);
  }

  private static Bytes prefix(String... parts) {
    return Bytes.wrap((String.join("\u0000", parts) + '\u0000').getBytes(StandardCharsets.UTF_8));
  }
}
