package io.lethe.heldout;

import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.HeldOutState;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/** Reads what a {@link HeldOutStore} keeps, also from outside its stream thread. */
public final class HeldOutReader {
  private final ReadOnlyKeyValueStore<Bytes, byte[]> store;
  private final StateSerde<HeldOutState> stateSerde = StateSerde.of(HeldOutState.class);

  public HeldOutReader(ReadOnlyKeyValueStore<Bytes, byte[]> store) {
    this.store = store;
  }

  /** What is known of an anchor's targets; empty until an update was whole. */
  public Optional<HeldOutState> state(String modelId, String anchorId) {
    byte[] bytes = store.get(HeldOutKeys.meta(modelId, anchorId));
    return Optional.ofNullable(bytes).map(b -> stateSerde.deserializer().deserialize("", b));
  }

  /** The targets of those of the samples that have one; empty where the anchor has none at all. */
  public Optional<HeldOutRows> rows(String modelId, String anchorId, Iterable<String> sampleIds) {
    Optional<HeldOutState> state = state(modelId, anchorId);
    if (state.isEmpty()) {
      return Optional.empty();
    }
    UUID jobId = state.get().getJobId().orElseThrow();
    List<String> found = new ArrayList<>();
    List<byte[]> rows = new ArrayList<>();
    for (String sampleId : sampleIds) {
      byte[] row = store.get(HeldOutKeys.row(modelId, anchorId, jobId, sampleId));
      if (row != null) {
        found.add(sampleId);
        rows.add(row);
      }
    }
    return Optional.of(rows(state.get().getClasses(), found, rows));
  }

  private static HeldOutRows rows(int classes, List<String> found, List<byte[]> rows) {
    ByteBuffer all = ByteBuffer.allocate(Math.multiplyExact(rows.size(), classes * Float.BYTES));
    rows.forEach(all::put);
    return new HeldOutRows(classes, found, HeldOutRows.floats(all.flip()));
  }
}
