package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.RequestEventKind;
import java.util.List;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * Requests that resolve to nothing yet: lineage and models may arrive after the request. They wait
 * for the grace period, visible as pending, and are denied when it is over.
 */
final class Waiting {
  private static final char SEPARATOR = IntakeStores.SEPARATOR;

  /** The rest is denied at the next tick: a tick must not take long. */
  private static final int DENIED_PER_TICK = 5_000;

  private final IntakeSettings settings;
  private final IntakeStores stores;
  private final IntakeEmitter emitter;
  private final Resolution resolution;

  Waiting(
      IntakeSettings settings, IntakeStores stores, IntakeEmitter emitter, Resolution resolution) {
    this.settings = settings;
    this.stores = stores;
    this.emitter = emitter;
    this.resolution = resolution;
  }

  /** The key of a request among those that wait, and among those that bind what arrives later. */
  static String keyOf(DeletionRequest request) {
    Selector selector = request.getSelector();
    String holder =
        selector.getKind() == SelectorKind.SUBJECT
            ? selector.getSubjectId().orElseThrow()
            : selector.getDatasetId().orElse("");
    return prefixOf(selector.getKind(), holder) + request.getRequestId();
  }

  private static String prefixOf(SelectorKind kind, String holder) {
    return kind.name() + SEPARATOR + holder + SEPARATOR;
  }

  /** Takes a request that resolved to nothing. */
  void add(DeletionRequest request, IntakeRequest seen) {
    String key = keyOf(request);
    stores.putRequest(
        request.getRequestId(), IntakeRequest.newBuilder(seen).setWaitingKey(key).build());
    stores.putWaiting(key, seen.getSeenAt(), request);
    emitter.emit(
        emitter
            .event(request.getRequestId(), seen.getFingerprint(), RequestEventKind.RECEIVED)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setDueAt(seen.getDueAt().orElseThrow()));
  }

  /** Tries again those that wait for the subject's lineage. */
  void onLineage(String subjectId) {
    try (KeyValueIterator<String, DeletionRequest> waiting =
        stores.waitingFor(prefixOf(SelectorKind.SUBJECT, subjectId))) {
      while (waiting.hasNext()) {
        var entry = waiting.next();
        retry(entry.key, entry.value);
      }
    }
  }

  /** Tries one of them again; one under a legal hold is left alone. */
  boolean retry(String key, DeletionRequest request) {
    IntakeRequest seen = stores.request(request.getRequestId());
    boolean accepted = !seen.getHeld() && resolution.accept(request, key, seen);
    if (accepted) {
      stores.deleteWaiting(key, seen.getSeenAt(), request.getRequestId());
    }
    return accepted;
  }

  /** Denies what has waited for longer than the grace period. */
  void onTick() {
    List<String> expired =
        stores.waitingSince(emitter.now().minus(settings.grace()), DENIED_PER_TICK);
    expired.forEach(this::expire);
  }

  private void expire(String key) {
    DeletionRequest request = stores.waiting(key);
    if (retry(key, request)) {
      return; // a model is here that had not come to it yet
    }
    IntakeRequest seen = stores.request(request.getRequestId());
    stores.deleteWaiting(key, seen.getSeenAt(), request.getRequestId());
    stores.putRequest(
        request.getRequestId(),
        IntakeRequest.newBuilder(seen).setStage(IntakeStage.DENIED).clearWaitingKey().build());
    emitter.deny(request, seen.getFingerprint(), reason(request), seen.getTrace().orElse(null));
  }

  private String reason(DeletionRequest request) {
    Selector selector = request.getSelector();
    if (selector.getKind() == SelectorKind.SUBJECT) {
      try (KeyValueIterator<String, Lineage> found =
          stores.lineageOf(selector.getSubjectId().orElseThrow())) {
        while (found.hasNext()) {
          if (found.next().value.getSourceDeleted()) {
            return "source_deleted";
          }
        }
      }
    }
    return "no_match";
  }
}
