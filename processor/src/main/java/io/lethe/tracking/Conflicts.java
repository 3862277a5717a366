package io.lethe.tracking;

import io.lethe.events.RequestStatus;
import io.lethe.state.RequestConflict;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestState;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.UUID;

/**
 * Requests of different content under one id. Their subjects lie on different partitions of intake,
 * so both are accepted there; here, where the id decides the partition, they meet. The content that
 * is reported on first has the id. Whatever is reported on another content says nothing about it:
 * else the end of one request would be signed for both.
 *
 * <p>The other goes on under an id that is derived from its content, only to come to an end: intake
 * takes it back. What no model had begun with is not erased, and it is denied. A model that had
 * begun finishes, as it does after a cancel; then the request is completed by those models and
 * withdrawn from the others: what was erased must not be called denied.
 */
final class Conflicts {
  static final String REASON = "request_id_taken";

  private static final int KEPT = 32;

  private Conflicts() {}

  /** Whether the event is about another request than the one that has the id. */
  static boolean isForeign(RequestState known, RequestEvent event) {
    return known
        .getFingerprint()
        .filter(fingerprint -> !fingerprint.equals(event.getFingerprint()))
        .isPresent();
  }

  /** Whether intake has been told about the request that the event is about. */
  static boolean isKnown(RequestState known, RequestEvent event) {
    return known.getConflicts().stream()
        .anyMatch(conflict -> conflict.getFingerprint().equals(event.getFingerprint()));
  }

  /** The request that has the id, with the one that the event is about beside it. */
  static RequestState with(RequestState known, RequestEvent event) {
    List<RequestConflict> conflicts = new ArrayList<>(known.getConflicts());
    conflicts.add(
        new RequestConflict(
            event.getFingerprint(), ownId(event), event.getIntakePartition(), event.getAt()));
    return RequestState.newBuilder(known)
        .setConflicts(conflicts.subList(Math.max(0, conflicts.size() - KEPT), conflicts.size()))
        .build();
  }

  /** The event under the id that the request goes on by. */
  static RequestEvent renamed(RequestEvent event) {
    return RequestEvent.newBuilder(event).setRequestId(ownId(event)).build();
  }

  /** The state of the request that the event is about, which came under the event's id. */
  static RequestState sentAs(RequestEvent event, RequestState state) {
    return RequestState.newBuilder(state).setSentAs(event.getRequestId()).build();
  }

  /**
   * The end of such a request, once each of its models has answered.
   *
   * @param unlearnedAt when the last of those that had begun was done; null: none had
   */
  static RequestState concluded(RequestState state, Instant unlearnedAt) {
    return RequestState.newBuilder(state)
        .setUnlearnedAt(unlearnedAt)
        .setStatus(unlearnedAt == null ? RequestStatus.DENIED : RequestStatus.COMPLETED)
        .setReason(REASON)
        .build();
  }

  private static UUID ownId(RequestEvent event) {
    ByteBuffer fingerprint = event.getFingerprint();
    byte[] content = new byte[fingerprint.remaining()];
    fingerprint.duplicate().get(content);
    String name =
        "denied\u0000" + event.getRequestId() + "\u0000" + HexFormat.of().formatHex(content);
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }
}
