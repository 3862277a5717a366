package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
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

  /** Whether the request that the event is about has been denied for its id. */
  static boolean isDenied(RequestState known, RequestEvent event) {
    return known.getConflicts().stream()
        .anyMatch(conflict -> conflict.getFingerprint().equals(event.getFingerprint()));
  }

  /** The request that has the id, with the one that the event is about denied. */
  static RequestState with(RequestState known, RequestEvent event) {
    List<RequestConflict> conflicts = new ArrayList<>(known.getConflicts());
    conflicts.add(
        new RequestConflict(
            event.getFingerprint(), deniedAs(event), event.getIntakePartition(), event.getAt()));
    return RequestState.newBuilder(known)
        .setConflicts(conflicts.subList(Math.max(0, conflicts.size() - KEPT), conflicts.size()))
        .build();
  }

  /**
   * The receipt of the one that is denied, not signed. It has an id of its own: under the common
   * one it would replace the other's receipt.
   */
  static ErasureReceipt receipt(RequestEvent event, Instant now) {
    return ErasureReceipt.newBuilder()
        .setRequestId(deniedAs(event))
        .setSentAs(event.getRequestId())
        .setStatus(RequestStatus.DENIED)
        .setReason(REASON)
        .setRegulation(event.getRegulation())
        .setReceivedAt(event.getReceivedAt().orElse(event.getAt()))
        .setDueAt(event.getDueAt().orElse(null))
        .setCompletedAt(now)
        .setAttestation("")
        .build();
  }

  static UUID deniedAs(RequestEvent event) {
    ByteBuffer fingerprint = event.getFingerprint();
    byte[] content = new byte[fingerprint.remaining()];
    fingerprint.duplicate().get(content);
    String name =
        "denied\u0000" + event.getRequestId() + "\u0000" + HexFormat.of().formatHex(content);
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }
}
