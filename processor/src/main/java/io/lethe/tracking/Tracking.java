package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelResult;
import io.lethe.events.RequestStatus;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestState;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The rules of tracking: pending → in_progress → completed, or denied. Intake and the models report
 * on two topics, in any order. A request gets exactly one receipt, when it is denied or when each
 * of its models has released a version without its samples.
 */
final class Tracking {
  private final UnaryOperator<ErasureReceipt> attestor;
  private final ProcessorContext<String, ErasureReceipt> context;
  private final KeyValueStore<String, RequestState> requests;

  Tracking(
      UnaryOperator<ErasureReceipt> attestor, ProcessorContext<String, ErasureReceipt> context) {
    this.attestor = attestor;
    this.context = context;
    this.requests = context.getStateStore(TrackingStores.REQUESTS_STORE);
  }

  void onEvent(String requestId, RequestEvent event) {
    RequestState state = requests.get(requestId);
    boolean ended = state != null && isFinal(state.getStatus());
    if (ended) {
      return;
    }
    RequestState before = state == null ? placeholder(event) : state;
    settle(
        event,
        switch (event.getKind()) {
          case ACCEPTED -> opened(before, event).build();
          case DENIED -> opened(before, event).setStatus(RequestStatus.DENIED).build();
          case STARTED -> started(before, event).build();
          case UNLEARNED -> unlearned(before, event);
        });
  }

  /** Stores what became of a request, and ends it when nothing is left to be done. */
  private void settle(RequestEvent event, RequestState state) {
    boolean done = state.getAccepted() && state.getResults().size() == state.getModels().size();
    if (state.getStatus() == RequestStatus.DENIED) {
      close(event, state);
    } else if (done) {
      close(event, RequestState.newBuilder(state).setStatus(RequestStatus.COMPLETED).build());
    } else {
      requests.put(event.getRequestId().toString(), state);
    }
  }

  /** Of a request that a model reports on before intake's acceptance has arrived here. */
  private static RequestState placeholder(RequestEvent event) {
    return RequestState.newBuilder()
        .setAccepted(false)
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
        .setAccepted(true)
        .setReason(event.getReason().orElse(null))
        .setRegulation(event.getRegulation())
        .setModels(event.getModels())
        .setReceivedAt(event.getReceivedAt().orElseThrow())
        .setDueAt(event.getDueAt().orElse(null))
        .setUpdatedAt(event.getAt());
  }

  private static RequestState.Builder started(RequestState state, RequestEvent event) {
    return RequestState.newBuilder(state)
        .setStatus(RequestStatus.IN_PROGRESS)
        .setUpdatedAt(event.getAt());
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
    return started(state, event).setResults(results).build();
  }

  private void close(RequestEvent event, RequestState state) {
    requests.put(event.getRequestId().toString(), state);
    ErasureReceipt receipt =
        ErasureReceipt.newBuilder()
            .setRequestId(event.getRequestId())
            .setStatus(state.getStatus())
            .setReason(state.getReason().orElse(null))
            .setRegulation(state.getRegulation())
            .setModels(state.getResults())
            .setReceivedAt(state.getReceivedAt())
            .setDueAt(state.getDueAt().orElse(null))
            .setCompletedAt(Instant.ofEpochMilli(context.currentSystemTimeMs()))
            .setAttestation("")
            .build();
    context.forward(
        new Record<>(
            receipt.getRequestId().toString(),
            attestor.apply(receipt),
            context.currentSystemTimeMs()));
  }

  private static boolean isFinal(RequestStatus status) {
    return switch (status) {
      case COMPLETED, CANCELLED, DENIED -> true;
      case PENDING, IN_PROGRESS -> false;
    };
  }
}
