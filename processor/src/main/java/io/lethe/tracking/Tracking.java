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
 * The rules of tracking: pending → in_progress → completed, or denied. A request gets exactly one
 * receipt, when it is denied or when each of its models has released a version without its samples.
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
    switch (event.getKind()) {
      case ACCEPTED -> {
        if (state == null) {
          requests.put(requestId, opened(event, RequestStatus.PENDING));
        }
      }
      case DENIED -> {
        if (state == null) {
          close(event, opened(event, RequestStatus.DENIED));
        }
      }
      case STARTED -> requests.put(requestId, started(require(state), event));
      case UNLEARNED -> unlearned(requestId, require(state), event);
    }
  }

  private void unlearned(String requestId, RequestState state, RequestEvent event) {
    ModelResult result = event.getModelResult().orElseThrow();
    List<ModelResult> results = new ArrayList<>(state.getResults());
    boolean known = results.stream().anyMatch(r -> r.getModelId().equals(result.getModelId()));
    if (known) {
      return;
    }
    results.add(result);
    boolean done = results.size() == state.getModels().size();
    RequestState next =
        RequestState.newBuilder(state)
            .setStatus(done ? RequestStatus.COMPLETED : RequestStatus.IN_PROGRESS)
            .setResults(results)
            .setUpdatedAt(event.getAt())
            .build();
    if (done) {
      close(event, next);
    } else {
      requests.put(requestId, next);
    }
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

  private static RequestState opened(RequestEvent event, RequestStatus status) {
    return RequestState.newBuilder()
        .setStatus(status)
        .setReason(event.getReason().orElse(null))
        .setRegulation(event.getRegulation())
        .setModels(event.getModels())
        .setResults(List.of())
        .setReceivedAt(event.getReceivedAt().orElseThrow())
        .setDueAt(event.getDueAt().orElse(null))
        .setUpdatedAt(event.getAt())
        .build();
  }

  private static RequestState started(RequestState state, RequestEvent event) {
    return RequestState.newBuilder(state)
        .setStatus(RequestStatus.IN_PROGRESS)
        .setUpdatedAt(event.getAt())
        .build();
  }

  private static RequestState require(RequestState state) {
    if (state == null) {
      throw new IllegalStateException("a model reported on a request that was never accepted");
    }
    return state;
  }

  private static boolean isFinal(RequestStatus status) {
    return switch (status) {
      case COMPLETED, CANCELLED, DENIED -> true;
      case PENDING, IN_PROGRESS -> false;
    };
  }
}
