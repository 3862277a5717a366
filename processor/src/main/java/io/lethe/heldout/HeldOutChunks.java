package io.lethe.heldout;

import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutCommit;
import io.lethe.events.HeldOutKey;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/** The records of an update: samples in pieces that fit a Kafka record, then its commit marker. */
public final class HeldOutChunks {
  /** Size of a record's ids and logits, in bytes: half of Kafka's default limit for a request. */
  static final int MAX_BYTES = 512 * 1024;

  private static final int COMMIT = -1;

  private HeldOutChunks() {}

  /** Whose targets they are, and by which job. */
  public record Of(UUID jobId, String modelId, String anchorId) {}

  /** Gives the records in order but for the last; returns that, the commit marker. */
  public static HeldOutChunk split(Of of, HeldOutRows rows, Consumer<HeldOutChunk> consumer) {
    List<String> ids = rows.sampleIds();
    int part = 0;
    for (int from = 0; from < ids.size(); part++) {
      int to = from;
      long bytes = 0;
      do {
        bytes += sizeOf(ids.get(to), rows.classes());
        to++;
      } while (to < ids.size() && bytes + sizeOf(ids.get(to), rows.classes()) <= MAX_BYTES);
      byte[] logits = HeldOutRows.bytes(rows.logits(), from * rows.classes(), to * rows.classes());
      consumer.accept(
          record(of, rows)
              .setPart(part)
              .setSampleIds(List.copyOf(ids.subList(from, to)))
              .setLogits(ByteBuffer.wrap(logits))
              .setCrc32c(crc32c(logits))
              .build());
      from = to;
    }
    return record(of, rows)
        .setPart(COMMIT)
        .setLogits(ByteBuffer.allocate(0))
        .setCrc32c(0)
        .setCommit(new HeldOutCommit(part, (long) ids.size()))
        .build();
  }

  /** The key that a record lies under. */
  public static HeldOutKey key(HeldOutChunk chunk) {
    return new HeldOutKey(chunk.getModelId(), chunk.getAnchorId(), chunk.getPart());
  }

  static int crc32c(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data);
    return (int) crc.getValue();
  }

  private static HeldOutChunk.Builder record(Of of, HeldOutRows rows) {
    return HeldOutChunk.newBuilder()
        .setJobId(of.jobId())
        .setModelId(of.modelId())
        .setAnchorId(of.anchorId())
        .setClasses(rows.classes());
  }

  private static long sizeOf(String id, int classes) {
    return id.getBytes(StandardCharsets.UTF_8).length + (long) classes * Float.BYTES;
  }
}
