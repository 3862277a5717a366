package io.lethe.intake;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelRegistered;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.streams.TracedContext;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.Optional;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * The rules of intake for one partition of data subjects.
 *
 * <p>A request is resolved against the lineage of its subject and the models that were trained on
 * those datasets. What resolves to nothing waits for the grace period: lineage and models may
 * arrive after the request.
 */
final class Intake {
  private static final char SEPARATOR = IntakeStores.SEPARATOR;

  private final IntakeSettings settings;
  private final IntakeStores stores;
  private final IntakeEmitter emitter;
  private final Resolution resolution;
  private final LateData lateData;
  private final RequestCommands commands;

  Intake(IntakeSettings settings, TracedContext<String, IntakeOutput> context) {
    this.settings = settings;
    stores = new IntakeStores(context);
    emitter = new IntakeEmitter(context);
    resolution = new Resolution(stores, emitter);
    lateData = new LateData(stores, emitter, resolution);
    commands = new RequestCommands(stores, emitter, resolution, lateData);
  }

  /** Takes a request or a command on one. */
  void onRequest(DeletionRequest request) {
    switch (request.getCommand()) {
      case ERASE -> onErase(request);
      case UNKNOWN -> throw new InvalidRequestException("the command is not known");
      case CANCEL, EXTEND, HOLD, RELEASE -> commands.onCommand(RequestCommands.Command.of(request));
    }
  }

  /**
   * Takes what tracking sends back: a command that came in at another partition, or that every
   * model has granted a cancel. Such a request no longer binds what arrives later.
   */
  void onFeedback(RequestEvent event) {
    if (event.getKind() == RequestEventKind.ROUTED) {
      commands.onCommand(RequestCommands.Command.of(event));
      return;
    }
    IntakeRequest cancelled = stores.request(event.getRequestId());
    cancelled.getErasureKey().ifPresent(stores::deleteErasure);
    stores.putRequest(
        event.getRequestId(),
        IntakeRequest.newBuilder(cancelled)
            .setStage(IntakeStage.CANCELLED)
            .clearErasureKey()
            .build());
  }

  private void onErase(DeletionRequest request) {
    byte[] fingerprint = fingerprint(request);
    IntakeRequest known = stores.request(request.getRequestId());
    if (known != null) {
      if (!MessageDigest.isEqual(bytes(known.getFingerprint()), fingerprint)) {
        throw new InvalidRequestException(
            "a request with this requestId and other content was seen before");
      }
      return; // the first one's status stands
    }
    boolean valid = isValid(request.getSelector());
    IntakeRequest seen =
        IntakeRequest.newBuilder()
            .setFingerprint(ByteBuffer.wrap(fingerprint))
            .setSeenAt(emitter.now())
            .setStage(valid ? IntakeStage.WAITING : IntakeStage.DENIED)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setDueAt(dueAt(request))
            .setTrace(emitter.trace())
            .build();
    if (!valid) {
      stores.putRequest(request.getRequestId(), seen);
      deny(request, seen, "invalid");
    } else if (!resolution.accept(request, holderKey(request), seen)) {
      await(request, seen);
    }
  }

  private void await(DeletionRequest request, IntakeRequest seen) {
    String key = holderKey(request);
    stores.putRequest(
        request.getRequestId(), IntakeRequest.newBuilder(seen).setWaitingKey(key).build());
    stores.putWaiting(key, seen.getSeenAt(), request);
    emitter.emit(
        emitter
            .event(request.getRequestId(), RequestEventKind.RECEIVED)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setDueAt(seen.getDueAt().orElseThrow()));
  }

  void onLineage(LineageKey key, Optional<DatasetLineage> value) {
    if (!isName(key.getSubjectId()) || !isName(key.getDatasetId())) {
      throw new InvalidRequestException("lineage needs a subjectId and a datasetId without a NUL");
    }
    if (value.isEmpty()) {
      stores.deleteLineage(key.getSubjectId(), key.getDatasetId());
      return;
    }
    Lineage before = stores.lineage(key.getSubjectId(), key.getDatasetId());
    Lineage after = new Lineage(value.get().getSampleIds());
    stores.putLineage(key.getSubjectId(), key.getDatasetId(), after);
    lateData.onLineage(key.getSubjectId(), key.getDatasetId(), before, after);
    retry(holderPrefix(SelectorKind.SUBJECT, key.getSubjectId()));
  }

  void onModel(String modelId, Optional<ModelRegistered> value) {
    ModelRegistered known = stores.model(modelId);
    if (value.isEmpty()) {
      if (known != null) {
        stores.delete(known);
      }
      return;
    }
    ModelRegistered model = value.get();
    boolean named =
        !modelId.isEmpty() && modelId.indexOf('\u0000') < 0 && modelId.equals(model.getModelId());
    if (!named) {
      return; // batching refuses it and says so
    }
    if (known != null && !known.getDatasetId().equals(model.getDatasetId())) {
      return; // batching refuses it and says so
    }
    stores.put(model);
    if (known == null) {
      lateData.onModel(model); // before those that wait become bound themselves
      retry("");
    }
  }

  /** Denies what has waited for longer than the grace period. */
  void onTick() {
    try (KeyValueIterator<String, String> expired =
        stores.waitingSince(emitter.now().minus(settings.grace()))) {
      while (expired.hasNext()) {
        expire(expired.next().value);
      }
    }
  }

  private void expire(String waitingKey) {
    DeletionRequest request = stores.waiting(waitingKey);
    IntakeRequest seen = stores.request(request.getRequestId());
    if (seen.getHeld()) {
      return; // a legal hold: neither erased nor denied
    }
    stores.deleteWaiting(waitingKey, seen.getSeenAt(), request.getRequestId());
    stores.putRequest(
        request.getRequestId(),
        IntakeRequest.newBuilder(seen).setStage(IntakeStage.DENIED).clearWaitingKey().build());
    deny(request, seen, "no_match");
  }

  /** Tries again those that wait and whose key starts with the prefix. */
  private void retry(String prefix) {
    try (KeyValueIterator<String, DeletionRequest> waiting = stores.allWaiting(prefix)) {
      while (waiting.hasNext()) {
        var entry = waiting.next();
        IntakeRequest seen = stores.request(entry.value.getRequestId());
        if (!seen.getHeld() && resolution.accept(entry.value, entry.key, seen)) {
          stores.deleteWaiting(entry.key, seen.getSeenAt(), entry.value.getRequestId());
        }
      }
    }
  }

  private void deny(DeletionRequest request, IntakeRequest seen, String reason) {
    emitter.emit(
        emitter
            .event(request.getRequestId(), RequestEventKind.DENIED)
            .setReason(reason)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setTrace(seen.getTrace().orElse(null)));
  }

  private static Instant dueAt(DeletionRequest request) {
    return request
        .getDueAt()
        .orElseGet(() -> DueDates.dueAt(request.getRegulation(), request.getReceivedAt()));
  }

  private static boolean isValid(Selector selector) {
    return switch (selector.getKind()) {
      case SUBJECT -> selector.getSubjectId().filter(Intake::isName).isPresent();
      case SAMPLES ->
          selector.getDatasetId().filter(Intake::isName).isPresent()
              && !selector.getSampleIds().isEmpty();
    };
  }

  /** NUL separates the parts of keys. */
  private static boolean isName(String id) {
    return !id.isEmpty() && id.indexOf(SEPARATOR) < 0;
  }

  private static String holderKey(DeletionRequest request) {
    Selector selector = request.getSelector();
    String holder =
        selector.getKind() == SelectorKind.SUBJECT
            ? selector.getSubjectId().orElseThrow()
            : selector.getDatasetId().orElseThrow();
    return holderPrefix(selector.getKind(), holder) + request.getRequestId();
  }

  private static String holderPrefix(SelectorKind kind, String holder) {
    return kind.name() + SEPARATOR + holder + SEPARATOR;
  }

  private static byte[] fingerprint(DeletionRequest request) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes(request.toByteBuffer()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  private static byte[] bytes(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }
}
