package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.RequestCommand;
import io.lethe.state.ErasureTask;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.UUID;

/**
 * Commands on requests. What intake can decide it answers itself: everything about a request that
 * still waits here, and extensions, which only the regulation limits. Whether it is too late for a
 * cancel or a hold each model decides for itself, since only it knows whether its job runs.
 *
 * <p>Every command gets an answer in the request's state, also one that changes nothing.
 */
final class RequestCommands {
  private final IntakeStores stores;
  private final IntakeEmitter emitter;
  private final Resolution resolution;
  private final LateData lateData;

  /** A command, from either of its two ways in. */
  record Command(
      UUID requestId,
      RequestCommand kind,
      Optional<String> reason,
      Optional<Instant> dueAt,
      Instant givenAt,
      boolean routed) {

    static Command of(DeletionRequest request) {
      return new Command(
          request.getRequestId(),
          request.getCommand(),
          request.getReason(),
          request.getDueAt(),
          request.getReceivedAt(),
          false);
    }

    static Command of(RequestEvent routed) {
      return new Command(
          routed.getRequestId(),
          routed.getCommand().orElseThrow(),
          routed.getReason(),
          routed.getDueAt(),
          routed.getReceivedAt().orElseThrow(),
          true);
    }
  }

  RequestCommands(
      IntakeStores stores, IntakeEmitter emitter, Resolution resolution, LateData lateData) {
    this.stores = stores;
    this.emitter = emitter;
    this.resolution = resolution;
    this.lateData = lateData;
  }

  /** Takes a command; one on a request that came in under another key finds it by tracking. */
  void onCommand(Command command) {
    if (!Validation.isReason(command.reason())) {
      throw new InvalidRequestException("a command's reason has more than 1,000 characters");
    }
    IntakeRequest seen = stores.request(command.requestId());
    if (seen == null || seen.getIdTaken()) {
      if (command.routed()) {
        throw new InvalidRequestException("a command names a request that is no longer known");
      }
      emitter.emit(
          emitter
              .routed(command.requestId())
              .setCommand(command.kind())
              .setReason(command.reason().orElse(null))
              .setDueAt(command.dueAt().orElse(null))
              .setReceivedAt(command.givenAt()));
      return;
    }
    IntakeRequest numbered =
        IntakeRequest.newBuilder(seen).setCommands(seen.getCommands() + 1).build();
    stores.putRequest(command.requestId(), numbered);
    if (seen.getStage() == IntakeStage.DENIED || seen.getStage() == IntakeStage.CANCELLED) {
      refuse(command, numbered, "ended");
      return;
    }
    switch (command.kind()) {
      case CANCEL -> cancel(command, numbered);
      case EXTEND -> extend(command, numbered);
      case HOLD -> hold(command, numbered);
      case RELEASE -> release(command, numbered);
      case ERASE, UNKNOWN -> throw new IllegalStateException("not a command");
    }
  }

  /** Takes a request's tasks back, where the models have not begun; nobody asked for an answer. */
  void withdraw(UUID requestId, IntakeRequest request) {
    tell(
        new Command(
            requestId,
            RequestCommand.CANCEL,
            Optional.empty(),
            Optional.empty(),
            request.getReceivedAt(),
            false),
        request,
        request.getDueAt().orElseThrow());
  }

  private void cancel(Command command, IntakeRequest request) {
    if (request.getStage() == IntakeStage.ACCEPTED) {
      askModels(command, request);
      return;
    }
    stopWaiting(command.requestId(), request);
    stores.putRequest(
        command.requestId(),
        IntakeRequest.newBuilder(request)
            .setStage(IntakeStage.CANCELLED)
            .clearWaitingKey()
            .build());
    grant(command, request, RequestEventKind.CANCELLED);
  }

  private void hold(Command command, IntakeRequest request) {
    if (request.getHeld()) {
      refuse(command, request, "already_held");
      return;
    }
    // Before the models have answered: what arrives until then must not be erased in a hold.
    stores.putRequest(
        command.requestId(),
        IntakeRequest.newBuilder(request)
            .setHeld(true)
            .setHoldNumber(request.getCommands())
            .build());
    if (request.getStage() == IntakeStage.ACCEPTED) {
      askModels(command, request);
    } else {
      stores.stopClock(request.getSeenAt(), command.requestId());
      grant(command, request, RequestEventKind.HELD);
    }
  }

  /**
   * Takes it that every model has refused a hold: it came too late and holds nothing back. Only if
   * it is the one in force; a later one may have been granted.
   */
  void onRefusedHold(RequestEvent refused, IntakeRequest request) {
    if (request.getHeld() && holdNumber(request) == refused.getCommandNumber()) {
      IntakeRequest released = IntakeRequest.newBuilder(request).setHeld(false).build();
      stores.putRequest(refused.getRequestId(), released);
      lateData.onRelease(released);
    }
  }

  /**
   * Number of the command by which the hold in force came. A record that was written before this
   * was kept does not say; if the hold is the last command of all, none came after it. Else it may
   * be one that was granted, and stays until a person's release.
   */
  private static int holdNumber(IntakeRequest request) {
    return request.getHoldNumber() == 0 ? request.getCommands() : request.getHoldNumber();
  }

  private void release(Command command, IntakeRequest request) {
    if (!request.getHeld()) {
      refuse(command, request, "not_held");
      return;
    }
    IntakeRequest released = IntakeRequest.newBuilder(request).setHeld(false).build();
    if (request.getStage() == IntakeStage.ACCEPTED) {
      stores.putRequest(command.requestId(), released);
      askModels(command, request);
      lateData.onRelease(released);
      return;
    }
    // The grace period starts again: what the request waits for may have been held back as well.
    String key = request.getWaitingKey().orElseThrow();
    DeletionRequest waiting = stores.waiting(key);
    stopWaiting(command.requestId(), request);
    IntakeRequest resumed = IntakeRequest.newBuilder(released).setSeenAt(emitter.now()).build();
    grant(command, request, RequestEventKind.RESUMED);
    if (!resolution.accept(waiting, key, resumed)) {
      stores.putRequest(command.requestId(), resumed);
      stores.putWaiting(key, resumed.getSeenAt(), waiting);
    }
  }

  private void extend(Command command, IntakeRequest request) {
    Instant limit = DueDates.limit(request.getRegulation(), request.getReceivedAt());
    Instant extended = command.dueAt().orElse(limit);
    Instant askBy = DueDates.dueAt(request.getRegulation(), request.getReceivedAt());
    if (request.getExtended()) {
      refuse(command, request, "already_extended");
    } else if (command.reason().filter(reason -> !reason.isBlank()).isEmpty()) {
      refuse(command, request, "reason_missing");
    } else if (command.givenAt().isAfter(askBy)) {
      refuse(command, request, "too_late");
    } else if (extended.isAfter(limit) || !extended.isAfter(request.getDueAt().orElseThrow())) {
      refuse(command, request, "beyond_limit");
    } else {
      stores.putRequest(
          command.requestId(),
          IntakeRequest.newBuilder(request).setExtended(true).setDueAt(extended).build());
      emitter.emit(
          answer(command, request, RequestEventKind.EXTENDED)
              .setReason(command.reason().get())
              .setDueAt(extended));
      tell(command, request, extended);
    }
  }

  /** Hands the command to the models; their answers make up the answer. */
  private void askModels(Command command, IntakeRequest request) {
    emitter.emit(
        answer(command, request, RequestEventKind.COMMANDED)
            .setReason(command.reason().orElse(null))
            .setModels(request.getModels()));
    tell(command, request, request.getDueAt().orElseThrow());
  }

  private void tell(Command command, IntakeRequest request, Instant dueAt) {
    for (String modelId : request.getModels()) {
      emitter.emit(
          ErasureTask.newBuilder()
              .setRequestId(command.requestId())
              .setFingerprint(request.getFingerprint())
              .setModelId(modelId)
              .setCommand(command.kind())
              .setCommandNumber(request.getCommands())
              .setSampleIds(List.of())
              .setReceivedAt(request.getReceivedAt())
              .setDueAt(dueAt)
              .setTrace(emitter.trace())
              .build());
    }
  }

  private void stopWaiting(UUID requestId, IntakeRequest request) {
    stores.deleteWaiting(request.getWaitingKey().orElseThrow(), request.getSeenAt(), requestId);
  }

  private void grant(Command command, IntakeRequest request, RequestEventKind kind) {
    emitter.emit(answer(command, request, kind).setReason(command.reason().orElse(null)));
  }

  private void refuse(Command command, IntakeRequest request, String reason) {
    emitter.emit(answer(command, request, RequestEventKind.REFUSED).setReason(reason));
  }

  private RequestEvent.Builder answer(
      Command command, IntakeRequest request, RequestEventKind kind) {
    return emitter
        .event(command.requestId(), request.getFingerprint(), kind)
        .setCommand(command.kind())
        .setCommandNumber(request.getCommands());
  }
}
