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

  /** Requests that are held in memory: a request's events come soon after one another. */
  private static final int REQUESTS_AT_HAND = 2_000;

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
        stores.ofBusyRecords(REQUESTS_STORE, RequestState.class, REQUESTS_AT_HAND),
        stores.ofRecords(EARLY_STORE, EarlyCommands.class),
        stores.of(DEADLINES_STORE, Serdes.Bytes(), Serdes.ByteArray()));
  }

  RequestState request(String requestId) {
    return requests.get(requestId);
  }

  /**
   * Stores a request and sees to it that the clock looks at it by the given time.
   *
   * <p>RATIONALE: an entry that is earlier than need be stays, and is moved when the clock has come
   * to it ({@link #look}). Most requests end long before their due date: moving the entry at each
   * step was two of the three writes that a step took.
   */
  void put(String requestId, RequestState state, Optional<Instant> deadline) {
    Optional<Instant> before = state.getDeadlineAt();
    boolean sooner =
        deadline.isPresent() && before.filter(at -> !at.isAfter(deadline.get())).isEmpty();
    if (sooner) {
      before.ifPresent(at -> deadlines.put(key(at, requestId), null));
      deadlines.put(key(deadline.get(), requestId), new byte[0]);
    }
    requests.put(
        requestId,
        sooner ? RequestState.newBuilder(state).setDeadlineAt(deadline.get()).build() : state);
  }

  /** Takes the entry out that the clock has come to; returns the request without it. */
  RequestState look(String requestId) {
    RequestState state = requests.get(requestId);
    deadlines.put(key(state.getDeadlineAt().orElseThrow(), requestId), null);
    return RequestState.newBuilder(state).clearDeadlineAt().build();
  }

  /** Forgets a request that the clock has come to. */
  void delete(String requestId) {
    requests.put(requestId, null);
  }

  EarlyCommands early(String requestId) {
    return early.get(requestId);
  }

  void putEarly(String requestId, EarlyCommands commands) {
    deadlines.put(key(commands.getUntil(), EARLY + requestId), new byte[0]);
    early.put(requestId, commands);
  }

  void deleteEarly(String requestId, EarlyCommands commands) {
    deadlines.put(key(commands.getUntil(), EARLY + requestId), null);
    early.put(requestId, null);
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
