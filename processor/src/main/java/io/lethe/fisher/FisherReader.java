package io.lethe.fisher;

import io.lethe.events.FisherTensor;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.FisherState;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Reads the Fisher sums that a {@link FisherStore} keeps, also from outside its stream thread.
 *
 * <p>While nothing was erased the erased sums are zero and not stored: as large as the retained
 * ones, they would double what a model without requests writes and restores.
 */
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
   * @throws IllegalArgumentException when a chunk is missing, naming it
   */
  public Optional<FisherSums> sums(String modelId, String anchorId) {
    return state(modelId, anchorId)
        .map(
            state ->
                new FisherSums(
                    read(modelId, anchorId, FisherKeys.RETAINED, state, state.getRetainedSamples()),
                    state.getErasedSamples() == 0
                        ? zeros(state)
                        : read(
                            modelId,
                            anchorId,
                            FisherKeys.ERASED,
                            state,
                            state.getErasedSamples())));
  }

  private static FisherDiagonal zeros(FisherState state) {
    Map<String, FisherTensor> tensors = new HashMap<>();
    state.getTensors().forEach(tensor -> tensors.put(tensor.getName(), tensor));
    return FisherChunks.join(
        state.getTensors(),
        0,
        (tensor, chunk) -> new byte[FisherChunks.bytes(tensors.get(tensor), chunk)]);
  }

  private FisherDiagonal read(
      String modelId, String anchorId, String area, FisherState state, long samples) {
    return FisherChunks.join(
        state.getTensors(),
        samples,
        (tensor, chunk) -> store.get(FisherKeys.key(modelId, anchorId, area, tensor, chunk)));
  }
}
