package io.lethe.tracking;

import io.lethe.state.EarlyCommands;
import io.lethe.state.RequestState;
import io.lethe.streams.StateStores;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;

/** The stores of tracking. */
public final class TrackingStores {
  /** Requests by id. */
  public static final String REQUESTS_STORE = "tracking-requests";

  /** When the clock has to look at which request. */
  public static final String DEADLINES_STORE = "tracking-deadlines";

  /** Commands on requests that are not known yet, by request. */
  public static final String EARLY_STORE = "tracking-early";

  /** Among the deadlines, before the id of a request that has early commands. */
  private static final String EARLY = "early/";

  private final KeyValueStore<String, RequestState> requests;
  private final KeyValueStore<String, EarlyCommands> early;
  private final KeyValueStore<Bytes, byte[]> deadlines;

  TrackingStores(ProcessorContext<?, ?> context) {
    requests = context.getStateStore(REQUESTS_STORE);
    early = context.getStateStore(EARLY_STORE);
    deadlines = context.getStateStore(DEADLINES_STORE);
  }

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders(StateStores stores) {
    return List.of(
        stores.ofRecords(REQUESTS_STORE, RequestState.class),
        stores.ofRecords(EARLY_STORE, EarlyCommands.class),
        stores.of(DEADLINES_STORE, Serdes.Bytes(), Serdes.ByteArray()));
  }

  RequestState request(String requestId) {
    return requests.get(requestId);
  }

  /** Stores a request and moves its entry among the deadlines. */
  void put(String requestId, RequestState state, Optional<Instant> deadline) {
    Optional<Instant> before = state.getDeadlineAt();
    if (!before.equals(deadline)) {
      before.ifPresent(at -> deadlines.delete(key(at, requestId)));
      deadline.ifPresent(at -> deadlines.put(key(at, requestId), new byte[0]));
    }
    requests.put(
        requestId, RequestState.newBuilder(state).setDeadlineAt(deadline.orElse(null)).build());
  }

  /** Forgets a request. */
  void delete(String requestId, RequestState state) {
    state.getDeadlineAt().ifPresent(at -> deadlines.delete(key(at, requestId)));
    requests.delete(requestId);
  }

  EarlyCommands early(String requestId) {
    return early.get(requestId);
  }

  void putEarly(String requestId, EarlyCommands commands) {
    deadlines.put(key(commands.getUntil(), EARLY + requestId), new byte[0]);
    early.put(requestId, commands);
  }

  void deleteEarly(String requestId, EarlyCommands commands) {
    deadlines.delete(key(commands.getUntil(), EARLY + requestId));
    early.delete(requestId);
  }

  /**
   * What the clock has come to.
   *
   * @param early whether it is about the request's early commands, not about itself
   */
  record Due(String requestId, boolean early) {}

  /** At most so many deadlines that are not after the given time, the oldest first. */
  List<Due> due(Instant now, int limit) {
    List<Due> due = new ArrayList<>();
    try (KeyValueIterator<Bytes, byte[]> range =
        deadlines.range(null, key(now.plusMillis(1), ""))) {
      while (range.hasNext() && due.size() < limit) {
        byte[] key = range.next().key.get();
        String name = new String(key, Long.BYTES, key.length - Long.BYTES, StandardCharsets.UTF_8);
        boolean isEarly = name.startsWith(EARLY);
        due.add(new Due(isEarly ? name.substring(EARLY.length()) : name, isEarly));
      }
    }
    return due;
  }

  private static Bytes key(Instant at, String requestId) {
    byte[] id = requestId.getBytes(StandardCharsets.UTF_8);
    return Bytes.wrap(
        ByteBuffer.allocate(Long.BYTES + id.length)
            .putLong(Math.max(0, at.toEpochMilli()))
            .put(id)
            .array());
  }
}
