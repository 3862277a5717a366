package io.lethe.fisher;

import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
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
 * The Fisher sums of anchors in a key-value store: for each anchor the retained and the erased
 * per-sample sums of squared gradients, in chunks.
 *
 * <p>A SNAPSHOT writes its chunks in place; the anchor is served only once the commit marker found
 * all of them. A SUBTRACT is staged and applied by its commit marker, once per job: retained −= s,
 * erased += s. Both survive being delivered again, whole or in part.
 *
 * <p>Sums are float32. A difference that rounding took below zero is stored as zero: a sum of
 * squares is not negative. Not thread-safe: one stream thread owns the store.
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
            ? FisherKeys.RETAINED
            : FisherKeys.staging(chunk.getJobId());
    store.put(
        FisherKeys.key(
            chunk.getModelId(), chunk.getAnchorId(), area, chunk.getTensor(), chunk.getChunk()),
        data);
  }

  private Result commitSnapshot(FisherChunk marker, FisherCommit commit) {
    if (!isWhole(marker, commit, FisherKeys.RETAINED)) {
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
    boolean first = state.get().getErasedSamples() == 0;
    for (FisherTensor tensor : commit.getTensors()) {
      for (int i = 0; i < FisherChunks.chunks(tensor); i++) {
        Bytes stagedKey = FisherKeys.key(modelId, anchorId, staged, tensor.getName(), i);
        byte[] update = store.get(stagedKey);
        Bytes retainedKey =
            FisherKeys.key(modelId, anchorId, FisherKeys.RETAINED, tensor.getName(), i);
        store.put(retainedKey, FisherChunks.combine(store.get(retainedKey), update, true));
        Bytes erasedKey = FisherKeys.key(modelId, anchorId, FisherKeys.ERASED, tensor.getName(), i);
        byte[] erased = first ? new byte[update.length] : store.get(erasedKey);
        store.put(erasedKey, FisherChunks.combine(erased, update, false));
      }
    }
    deletePrefix(FisherKeys.prefix(modelId, anchorId, FisherKeys.STAGED));
    List<UUID> applied = new ArrayList<>(state.get().getAppliedJobs());
    applied.add(marker.getJobId());
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
        byte[] data =
            store.get(
                FisherKeys.key(
                    marker.getModelId(), marker.getAnchorId(), area, tensor.getName(), i));
        if (data == null || data.length != FisherChunks.bytes(tensor, i)) {
          return false;
        }
      }
    }
    return FisherChunks.count(commit.getTensors()) == commit.getChunks();
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
