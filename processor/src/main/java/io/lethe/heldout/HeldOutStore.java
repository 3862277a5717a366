package io.lethe.heldout;

import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutCommit;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.HeldOutState;
import java.util.Arrays;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The held-out targets of anchors in a key-value store, one row per sample.
 *
 * <p>An anchor is served the targets of one job: those of the last whose commit marker found all of
 * them. Rows of a job before are deleted then. Not thread-safe: one stream thread owns the store.
 */
public final class HeldOutStore {
  /** What became of one record. */
  public enum Result {
    /** Kept until its commit marker arrives. */
    STAGED,
    /** The update is whole and served. */
    APPLIED,
    /** The job's update was applied before. */
    DUPLICATE,
    /** The commit marker came, but not all samples did: the job must be run again. */
    INCOMPLETE
  }

  private final KeyValueStore<Bytes, byte[]> store;
  private final HeldOutReader reader;
  private final StateSerde<HeldOutState> stateSerde = StateSerde.of(HeldOutState.class);

  public HeldOutStore(KeyValueStore<Bytes, byte[]> store) {
    this.store = store;
    this.reader = new HeldOutReader(store);
  }

  /** The job whose targets are served. */
  public Optional<UUID> appliedJob(String modelId, String anchorId) {
    return reader.state(modelId, anchorId).flatMap(HeldOutState::getJobId);
  }

  /**
   * Takes one record of an update.
   *
   * @throws IllegalArgumentException when its checksum or its shape is wrong
   */
  public Result apply(HeldOutChunk chunk) {
    String modelId = chunk.getModelId();
    String anchorId = chunk.getAnchorId();
    UUID jobId = chunk.getJobId();
    if (appliedJob(modelId, anchorId).filter(jobId::equals).isPresent()) {
      return Result.DUPLICATE;
    }
    if (chunk.getCommit().isEmpty()) {
      stage(chunk);
      return Result.STAGED;
    }
    HeldOutCommit commit = chunk.getCommit().get();
    if (count(HeldOutKeys.rows(modelId, anchorId, jobId)) != commit.getSamples()) {
      return Result.INCOMPLETE;
    }
    HeldOutState state =
        HeldOutState.newBuilder()
            .setJobId(jobId)
            .setClasses(chunk.getClasses())
            .setSamples(commit.getSamples())
            .build();
    store.put(HeldOutKeys.meta(modelId, anchorId), stateSerde.serializer().serialize("", state));
    Bytes own = HeldOutKeys.rows(modelId, anchorId, jobId);
    delete(HeldOutKeys.rows(modelId, anchorId), own);
    return Result.APPLIED;
  }

  /** Deletes the targets of samples. */
  public void delete(String modelId, String anchorId, Iterable<String> sampleIds) {
    appliedJob(modelId, anchorId)
        .ifPresent(
            jobId ->
                sampleIds.forEach(
                    id -> store.delete(HeldOutKeys.row(modelId, anchorId, jobId, id))));
  }

  /** Deletes everything of an anchor. */
  public void delete(String modelId, String anchorId) {
    delete(HeldOutKeys.anchor(modelId, anchorId), null);
  }

  private void stage(HeldOutChunk chunk) {
    byte[] logits = new byte[chunk.getLogits().remaining()];
    chunk.getLogits().duplicate().get(logits);
    int row = Math.multiplyExact(chunk.getClasses(), Float.BYTES);
    if (HeldOutChunks.crc32c(logits) != chunk.getCrc32c()
        || row < 1
        || logits.length != (long) row * chunk.getSampleIds().size()) {
      throw new IllegalArgumentException(
          "checksum or shape of part %d of held-out targets is wrong".formatted(chunk.getPart()));
    }
    int from = 0;
    for (String sampleId : chunk.getSampleIds()) {
      store.put(
          HeldOutKeys.row(chunk.getModelId(), chunk.getAnchorId(), chunk.getJobId(), sampleId),
          Arrays.copyOfRange(logits, from, from + row));
      from += row;
    }
  }

  private long count(Bytes prefix) {
    long count = 0;
    try (KeyValueIterator<Bytes, byte[]> found =
        store.prefixScan(prefix.get(), new ByteArraySerializer())) {
      for (; found.hasNext(); found.next()) {
        count++;
      }
    }
    return count;
  }

  /** Iterators see the store as it was when they were opened: no key has to be remembered. */
  private void delete(Bytes prefix, Bytes except) {
    try (KeyValueIterator<Bytes, byte[]> found =
        store.prefixScan(prefix.get(), new ByteArraySerializer())) {
      while (found.hasNext()) {
        Bytes key = found.next().key;
        if (except == null || !HeldOutKeys.startsWith(key, except)) {
          store.delete(key);
        }
      }
    }
  }
}
