package io.lethe.tracking;

import io.lethe.events.ModelResult;
import io.lethe.events.RequestStatus;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelStage;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestState;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** What an event makes of the state of its request. Pure: it neither stores nor sends anything. */
final class Steps {
  private Steps() {}

  /** Takes a step towards the end of a request that has not ended. */
  static RequestState advanced(RequestState state, RequestEvent event) {
    return switch (event.getKind()) {
      case RECEIVED -> opened(state, event).build();
      case ACCEPTED ->
          opened(state, event)
              .setAccepted(true)
              .setAcceptedAt(event.getAt())
              .setModels(event.getModels())
              .setFollowUpOf(event.getFollowUpOf().orElse(null))
              .build();
      case DENIED ->
          opened(state, event)
              .setStatus(RequestStatus.DENIED)
              .setReason(event.getReason().orElseThrow())
              .build();
      case STARTED -> started(state, event, ModelStage.STARTED);
      case STOPPED -> started(state, event, ModelStage.STOPPED);
      case UNLEARNED -> unlearned(state, event);
      case RETIRED -> at(state, event, ModelStage.RETIRED);
      default -> throw new IllegalStateException("not a step: " + event.getKind());
    };
  }

  /** Takes an answer to a command, and what it changes unless the request has ended. */
  static RequestState commanded(RequestState state, RequestEvent event) {
    boolean ended = isFinal(state.getStatus());
    RequestState.Builder told = RequestState.newBuilder(state).setUpdatedAt(event.getAt());
    if (event.getCommand().isPresent()) { // else a model goes on by itself
      told.setCommands(Commands.with(state, event, ended));
    }
    RequestState answered = told.build();
    if (ended) {
      return answered;
    }
    return switch (event.getKind()) {
      case CANCELLED ->
          RequestState.newBuilder(answered).setStatus(RequestStatus.CANCELLED).build();
      case EXTENDED ->
          RequestState.newBuilder(answered)
              .setDueAt(event.getDueAt().orElseThrow())
              .clearAtRiskAt()
              .clearOverdueAt()
              .build();
      case WITHDRAWN -> at(answered, event, ModelStage.WITHDRAWN);
      case HELD -> at(answered, event, ModelStage.HELD);
      case RESUMED -> at(answered, event, ModelStage.PENDING);
      default -> answered;
    };
  }

  static RequestState orPlaceholder(RequestState known, RequestEvent event) {
    return known == null ? placeholder(event) : known;
  }

  /** Of a request that a model reports on before intake's acceptance has arrived here. */
  static RequestState placeholder(RequestEvent event) {
    return RequestState.newBuilder()
        .setAccepted(false)
        .setFingerprint(event.getFingerprint())
        .setStatus(RequestStatus.PENDING)
        .setRegulation(event.getRegulation())
        .setModels(List.of())
        .setResults(List.of())
        .setReceivedAt(event.getAt())
        .setUpdatedAt(event.getAt())
        .build();
  }

  private static RequestState.Builder opened(RequestState state, RequestEvent event) {
    return RequestState.newBuilder(state)
        .setRegulation(event.getRegulation())
        .setReceivedAt(event.getReceivedAt().orElseThrow())
        .setDueAt(event.getDueAt().orElse(state.getDueAt().orElse(null)))
        .setIntakePartition(event.getIntakePartition())
        .setTrace(event.getTrace().orElse(null))
        .setUpdatedAt(event.getAt());
  }

  private static RequestState started(RequestState state, RequestEvent event, ModelStage stage) {
    return RequestState.newBuilder(at(state, event, stage))
        .setStatus(RequestStatus.IN_PROGRESS)
        .setStartedAt(state.getStartedAt().orElse(event.getAt()))
        .setUpdatedAt(event.getAt())
        .build();
  }

  private static RequestState unlearned(RequestState state, RequestEvent event) {
    ModelResult result = event.getModelResult().orElseThrow();
    boolean known =
        state.getResults().stream().anyMatch(r -> r.getModelId().equals(result.getModelId()));
    if (known) {
      return state;
    }
    List<ModelResult> results = new ArrayList<>(state.getResults());
    results.add(result);
    ModelStage stage = event.getAwaitsExact() ? ModelStage.QUARANTINED : ModelStage.UNLEARNED;
    return RequestState.newBuilder(started(state, event, stage))
        .setResults(results)
        .setExactAt(exactAt(state, results, event))
        .build();
  }

  /** The model was trained without the request's samples, perhaps long after its receipt. */
  static RequestState exact(RequestState state, RequestEvent event) {
    ModelResult result = event.getModelResult().orElseThrow();
    List<ModelResult> results = new ArrayList<>(state.getResults());
    if (!results.removeIf(known -> known.getModelId().equals(result.getModelId()))) {
      return state;
    }
    results.add(result);
    return RequestState.newBuilder(at(state, event, ModelStage.UNLEARNED))
        .setResults(results)
        .setExactAt(exactAt(state, results, event))
        .setUpdatedAt(event.getAt())
        .build();
  }

  /** When the last model was trained without the samples; null while one has not been. */
  private static Instant exactAt(
      RequestState state, List<ModelResult> results, RequestEvent event) {
    boolean all =
        results.size() >= state.getModels().size()
            && results.stream().allMatch(result -> result.getExactVersion().isPresent());
    return all ? event.getAt() : null;
  }

  /** The request with the event's model at a stage; unchanged where intake speaks for all. */
  private static RequestState at(RequestState state, RequestEvent event, ModelStage stage) {
    if (event.getModelId().isEmpty()) {
      return state;
    }
    String modelId = event.getModelId().get();
    List<ModelProgress> progress = new ArrayList<>(state.getProgress());
    progress.removeIf(model -> model.getModelId().equals(modelId));
    String reason = stage == ModelStage.STOPPED ? event.getReason().orElseThrow() : null;
    progress.add(new ModelProgress(modelId, stage, event.getAt(), reason));
    return RequestState.newBuilder(state).setProgress(progress).build();
  }

  static boolean isFinal(RequestStatus status) {
    return switch (status) {
      case COMPLETED, CANCELLED, DENIED -> true;
      case PENDING, IN_PROGRESS -> false;
    };
  }
}
