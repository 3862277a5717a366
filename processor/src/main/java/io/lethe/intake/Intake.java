package io.lethe.intake;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelRegistered;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.streams.TracedContext;
import io.lethe.topics.Registrations;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * The rules of intake for one partition of data subjects.
 *
 * <p>A request is resolved against the lineage of its subject and the models that were trained on
 * those datasets. What resolves to nothing waits for the grace period: lineage and models may
 * arrive after the request.
 */
final class Intake {
  /** Bindings that are looked at in one tick, where they expire. */
  private static final int UNBOUND_PER_TICK = 1_000;

  private static final String ID_TAKEN = "request_id_taken";

  private final IntakeSettings settings;
  private final IntakeStores stores;
  private final IntakeEmitter emitter;
  private final Resolution resolution;
  private final Waiting waiting;
  private final LateData lateData;
  private final ModelWalks walks;
  private final WalkMetrics metrics;
  private final RequestCommands commands;

  /** Where the look for bindings that have expired goes on; from the start after a restart. */
  private String unboundTo;

  Intake(IntakeSettings settings, TracedContext<String, IntakeOutput> context) {
    this.settings = settings;
    stores = new IntakeStores(context);
    emitter = new IntakeEmitter(context);
    resolution = new Resolution(stores, emitter);
    waiting = new Waiting(settings, stores, emitter, resolution);
    lateData = new LateData(stores, emitter, resolution);
    metrics = new WalkMetrics(context);
    walks = new ModelWalks(settings.walkStep(), stores, lateData, waiting, metrics);
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
   * Takes what tracking sends back: a command that came in at another partition; that every model
   * has granted a cancel, or refused a hold; that the request's id belongs to another one; that it
   * ended so long ago that nobody asks after it.
   */
  void onFeedback(RequestEvent event) {
    if (event.getKind() == RequestEventKind.ROUTED) {
      commands.onCommand(RequestCommands.Command.of(event));
      return;
    }
    IntakeRequest known = stores.request(event.getRequestId());
    if (known == null || !known.getFingerprint().equals(event.getFingerprint())) {
      return; // about another request with that id
    }
    switch (event.getKind()) {
      case CANCELLED -> unbind(event.getRequestId(), known, IntakeStage.CANCELLED, false);
      case DENIED -> displace(event.getRequestId(), known);
      case REFUSED -> commands.onRefusedHold(event, known);
      case EXPIRED -> stores.deleteRequest(event.getRequestId());
      default -> throw new IllegalStateException("not for intake: " + event.getKind());
    }
  }

  /** Takes back what was begun for a request whose id turned out to belong to another one. */
  private void displace(UUID requestId, IntakeRequest request) {
    if (request.getWaitingKey().isPresent()) {
      stores.deleteWaiting(request.getWaitingKey().get(), request.getSeenAt(), requestId);
      emitter.emit(
          emitter
              .event(requestId, request.getFingerprint(), RequestEventKind.DENIED)
              .setReason(ID_TAKEN)
              .setRegulation(request.getRegulation())
              .setReceivedAt(request.getReceivedAt()));
    }
    commands.withdraw(requestId, request);
    unbind(requestId, request, IntakeStage.DENIED, true);
  }

  /** The request has ended without an erasure: it does not bind what arrives later. */
  private void unbind(UUID requestId, IntakeRequest request, IntakeStage stage, boolean idTaken) {
    request.getErasureKey().ifPresent(stores::deleteErasure);
    stores.putRequest(
        requestId,
        IntakeRequest.newBuilder(request)
            .setStage(stage)
            .setIdTaken(idTaken)
            .clearErasureKey()
            .clearWaitingKey()
            .build());
  }

  private void onErase(DeletionRequest sent) {
    ByteBuffer fingerprint = Fingerprint.of(sent);
    DeletionRequest request = Validation.canonical(sent);
    IntakeRequest known = stores.request(request.getRequestId());
    if (known != null) {
      if (!known.getFingerprint().equals(fingerprint)) {
        emitter.deny(request, fingerprint, ID_TAKEN, emitter.trace());
      }
      return; // the first one's status stands
    }
    Optional<String> objection = Validation.objection(request);
    IntakeRequest seen =
        IntakeRequest.newBuilder()
            .setFingerprint(fingerprint)
            .setSeenAt(emitter.now())
            .setStage(objection.isEmpty() ? IntakeStage.WAITING : IntakeStage.DENIED)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setDueAt(dueAt(request))
            .setTrace(emitter.trace())
            .build();
    if (objection.isPresent()) {
      stores.putRequest(request.getRequestId(), seen);
      emitter.deny(request, fingerprint, objection.get(), emitter.trace());
    } else if (!resolution.accept(request, Waiting.keyOf(request), seen)) {
      waiting.add(request, seen);
    }
  }

  void onLineage(LineageKey key, Optional<DatasetLineage> value) {
    if (!Validation.isName(key.getSubjectId()) || !Validation.isName(key.getDatasetId())) {
      throw new InvalidRequestException("lineage needs a subjectId and a datasetId without a NUL");
    }
    Lineage before = stores.lineage(key.getSubjectId(), key.getDatasetId());
    if (value.isEmpty()) {
      if (before != null) {
        stores.putLineage(key.getSubjectId(), key.getDatasetId(), new Lineage(List.of(), true));
      }
      return;
    }
    Lineage after = new Lineage(value.get().getSampleIds(), false);
    stores.putLineage(key.getSubjectId(), key.getDatasetId(), after);
    lateData.onLineage(key.getSubjectId(), key.getDatasetId(), before, after);
    waiting.onLineage(key.getSubjectId());
  }

  void onModel(String modelId, Optional<ModelRegistered> value) {
    ModelRegistered known = stores.model(modelId);
    if (value.isEmpty()) {
      if (known != null) {
        stores.delete(known);
        stores.deleteWalk(modelId);
      }
      return;
    }
    ModelRegistered model = value.get();
    boolean ofAnother = known != null && !known.getDatasetId().equals(model.getDatasetId());
    if (ofAnother || Registrations.objection(modelId, model).isPresent()) {
      return; // batching refuses it and says so
    }
    stores.put(model);
    if (known == null) {
      walks.start(model);
    }
  }

  /** Denies what has waited for too long and goes on with what a record could not finish. */
  void onTick() {
    waiting.onTick();
    walks.step();
    if (settings.erasureRetention() != null) {
      unboundTo =
          lateData.unbind(
              emitter.now().minus(settings.erasureRetention()), unboundTo, UNBOUND_PER_TICK);
    }
  }

  /** The partition is no longer here. */
  void close() {
    metrics.close();
  }

  private static Instant dueAt(DeletionRequest request) {
    return request
        .getDueAt()
        .orElseGet(() -> DueDates.dueAt(request.getRegulation(), request.getReceivedAt()));
  }
}
