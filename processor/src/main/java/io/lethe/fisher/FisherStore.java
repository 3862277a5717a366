package io.lethe.fisher;

import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherEncoding;
import io.lethe.events.FisherTensor;
import io.lethe.events.FisherUpdateKind;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.FisherState;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The Fisher sums of anchors in a key-value store: for each anchor the per-sample sums of squared
 * gradients over all of its samples and over the erased ones, in chunks.
 *
 * <p>A SNAPSHOT writes its chunks in place; the anchor is served only once the commit marker found
 * all of them. A SUBTRACT is staged and applied by its commit marker, once per job: erased += s.
 * Both survive being delivered again, whole or in part.
 *
 * <p>The retained sums are the snapshot without the erased ones, taken when they are read. So the
 * snapshot stays as it came and may come in a lossy encoding: were it rewritten with each job, a
 * batch of few samples would vanish in its rounding. What is added up, the erased sums, is float32.
 * Each chunk carries a checksum. Not thread-safe: one stream thread owns the store.
 */
public final class FisherStore {
  /** What became of one record. */
  public enum Result {
    /** Kept until its commit marker arrives. */
    STAGED,
    /** The update is whole and in the sums. */
    APPLIED,
    /** The job's update was applied before. */
    DUPLICATE,
    /** The commit marker came, but not all chunks did: the job must be run again. */
    INCOMPLETE
  }

  /** Jobs that are remembered: one is in flight, and updates of others do not come here. */
  private static final int MAX_APPLIED = 100;

  private final KeyValueStore<Bytes, byte[]> store;
  private final FisherReader reader;
  private final StateSerde<FisherState> stateSerde = StateSerde.of(FisherState.class);

  public FisherStore(KeyValueStore<Bytes, byte[]> store) {
    this.store = store;
    this.reader = new FisherReader(store);
  }

  /** The anchor's state; empty until its snapshot is whole. */
  public Optional<FisherState> state(String modelId, String anchorId) {
    return reader.state(modelId, anchorId);
  }

  /**
   * Takes one record of an update.
   *
   * @throws IllegalArgumentException when a chunk's checksum is wrong or a SUBTRACT's shape is not
   *     that of the snapshot
   */
  public Result apply(FisherChunk chunk) {
    Optional<FisherState> state = state(chunk.getModelId(), chunk.getAnchorId());
    if (state.isPresent() && state.get().getAppliedJobs().contains(chunk.getJobId())) {
      return Result.DUPLICATE;
    }
    if (chunk.getCommit().isPresent()) {
      return chunk.getKind() == FisherUpdateKind.SNAPSHOT
          ? commitSnapshot(chunk, chunk.getCommit().get())
          : commitSubtract(chunk, chunk.getCommit().get(), state);
    }
    stage(chunk);
    return Result.STAGED;
  }

  /** Deletes everything of an anchor. */
  public void delete(String modelId, String anchorId) {
    deletePrefix(FisherKeys.prefix(modelId, anchorId));
  }

  private void stage(FisherChunk chunk) {
    byte[] data = bytes(chunk.getData());
    if (FisherChunks.crc32c(data) != chunk.getCrc32c()) {
      throw new IllegalArgumentException(
          "checksum of Fisher chunk "
              + chunk.getChunk()
              + " of tensor "
              + chunk.getTensor()
              + " is wrong");
    }
    String area =
        chunk.getKind() == FisherUpdateKind.SNAPSHOT
            ? FisherKeys.SNAPSHOT
            : FisherKeys.staging(chunk.getJobId());
    store.put(
        FisherKeys.key(
            chunk.getModelId(), chunk.getAnchorId(), area, chunk.getTensor(), chunk.getChunk()),
        StoredChunk.write(new FisherChunks.Encoded(chunk.getEncoding(), data)));
  }

  private Result commitSnapshot(FisherChunk marker, FisherCommit commit) {
    if (!isWhole(marker, commit, FisherKeys.SNAPSHOT)) {
      return Result.INCOMPLETE;
    }
    // An anchor that comes again has erased nothing yet. Zeros are not stored, see FisherReader.
    deletePrefix(FisherKeys.prefix(marker.getModelId(), marker.getAnchorId(), FisherKeys.ERASED));
    put(
        marker,
        FisherState.newBuilder()
            .setTensors(commit.getTensors())
            .setRetainedSamples(commit.getSamples())
            .setErasedSamples(0)
            .setAppliedJobs(List.of(marker.getJobId()))
            .build());
    return Result.APPLIED;
  }

  private Result commitSubtract(
      FisherChunk marker, FisherCommit commit, Optional<FisherState> state) {
    String staged = FisherKeys.staging(marker.getJobId());
    if (state.isEmpty() || !isWhole(marker, commit, staged)) {
      return Result.INCOMPLETE;
    }
    if (!state.get().getTensors().equals(commit.getTensors())) {
      throw new IllegalArgumentException(
          "a Fisher update has other tensors than the anchor that it is for");
    }
    String modelId = marker.getModelId();
    String anchorId = marker.getAnchorId();
    boolean isFirst = state.get().getAppliedJobs().size() == 1;
    for (FisherTensor tensor : commit.getTensors()) {
      for (int i = 0; i < FisherChunks.chunks(tensor); i++) {
        float[] update = read(modelId, anchorId, staged, tensor, i);
        float[] erased =
            isFirst
                ? new float[update.length]
                : read(modelId, anchorId, FisherKeys.ERASED, tensor, i);
        for (int v = 0; v < update.length; v++) {
          erased[v] += update[v];
        }
        store.put(
            FisherKeys.key(modelId, anchorId, FisherKeys.ERASED, tensor.getName(), i),
            StoredChunk.write(
                new FisherChunks.Encoded(
                    FisherEncoding.FLOAT32,
                    FisherCodec.encode(FisherEncoding.FLOAT32, erased, 0, erased.length))));
      }
    }
    deletePrefix(FisherKeys.prefix(modelId, anchorId, FisherKeys.STAGED));
    List<UUID> applied = new ArrayList<>(state.get().getAppliedJobs());
    applied.add(marker.getJobId());
    if (applied.size() > MAX_APPLIED) {
      applied.remove(1); // not the snapshot's
    }
    put(
        marker,
        FisherState.newBuilder(state.get())
            .setRetainedSamples(state.get().getRetainedSamples() - commit.getSamples())
            .setErasedSamples(state.get().getErasedSamples() + commit.getSamples())
            .setAppliedJobs(applied)
            .build());
    return Result.APPLIED;
  }

  /** Whether each chunk that the commit marker names is there, with the length it must have. */
  private boolean isWhole(FisherChunk marker, FisherCommit commit, String area) {
    for (FisherTensor tensor : commit.getTensors()) {
      for (int i = 0; i < FisherChunks.chunks(tensor); i++) {
        FisherChunks.Encoded chunk =
            stored(marker.getModelId(), marker.getAnchorId(), area, tensor, i);
        if (chunk == null
            || FisherCodec.claimedValues(chunk.encoding(), chunk.data())
                != FisherChunks.values(tensor, i)) {
          return false;
        }
      }
    }
    return FisherChunks.count(commit.getTensors()) == commit.getChunks();
  }

  private FisherChunks.Encoded stored(
      String modelId, String anchorId, String area, FisherTensor tensor, int chunk) {
    return StoredChunk.read(
        tensor.getName(),
        chunk,
        store.get(FisherKeys.key(modelId, anchorId, area, tensor.getName(), chunk)));
  }

  private float[] read(
      String modelId, String anchorId, String area, FisherTensor tensor, int chunk) {
    FisherChunks.Encoded stored = stored(modelId, anchorId, area, tensor, chunk);
    if (stored == null) {
      throw new IllegalArgumentException(
          "chunk %d of tensor %s is missing".formatted(chunk, tensor.getName()));
    }
    return FisherChunks.decode(tensor, chunk, stored);
  }

  private void put(FisherChunk marker, FisherState state) {
    store.put(
        FisherKeys.key(marker.getModelId(), marker.getAnchorId(), FisherKeys.META, "", 0),
        stateSerde.serializer().serialize("", state));
  }

  private void deletePrefix(Bytes prefix) {
    List<Bytes> keys = new ArrayList<>();
    try (KeyValueIterator<Bytes, byte[]> found =
        store.prefixScan(prefix.get(), new ByteArraySerializer())) {
      found.forEachRemaining(entry -> keys.add(entry.key));
    }
    keys.forEach(store::delete);
  }

  private static byte[] bytes(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }
}
