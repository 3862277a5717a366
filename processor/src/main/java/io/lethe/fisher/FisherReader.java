package io.lethe.fisher;

import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.FisherState;
import java.util.Optional;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/** Reads the Fisher sums that a {@link FisherStore} keeps, also from outside its stream thread. */
public final class FisherReader {
  private final ReadOnlyKeyValueStore<Bytes, byte[]> store;
  private final StateSerde<FisherState> stateSerde = StateSerde.of(FisherState.class);

  public FisherReader(ReadOnlyKeyValueStore<Bytes, byte[]> store) {
    this.store = store;
  }

  /** The anchor's state; empty until its snapshot is whole. */
  public Optional<FisherState> state(String modelId, String anchorId) {
    byte[] bytes = store.get(FisherKeys.key(modelId, anchorId, FisherKeys.META, "", 0));
    return Optional.ofNullable(bytes).map(b -> stateSerde.deserializer().deserialize("", b));
  }

  /**
   * The sums of an anchor; empty until its snapshot is whole.
   *
   * @throws IllegalArgumentException when a chunk is missing or damaged, naming it
   */
  public Optional<FisherSums> sums(String modelId, String anchorId) {
    return state(modelId, anchorId)
        .map(
            state -> {
              long all = state.getRetainedSamples() + state.getErasedSamples();
              FisherDiagonal snapshot = read(modelId, anchorId, FisherKeys.SNAPSHOT, state, all);
              // Before the first SUBTRACT nothing is stored.
              FisherDiagonal erased =
                  state.getAppliedJobs().size() == 1
                      ? snapshot.zero()
                      : read(modelId, anchorId, FisherKeys.ERASED, state, state.getErasedSamples());
              return new FisherSums(snapshot.minus(erased), erased);
            });
  }

  private FisherDiagonal read(
      String modelId, String anchorId, String area, FisherState state, long samples) {
    return FisherChunks.join(
        state.getTensors(),
        samples,
        (tensor, chunk) ->
            StoredChunk.read(
                tensor, chunk, store.get(FisherKeys.key(modelId, anchorId, area, tensor, chunk))));
  }
}
