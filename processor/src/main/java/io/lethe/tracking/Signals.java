package io.lethe.tracking;

import io.lethe.events.RequestSignal;
import io.lethe.events.SignalKind;
import io.lethe.state.RequestState;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;

/** Warnings about due dates: once when one is near, once when it has passed. */
final class Signals {
  private final TrackingSettings settings;

  Signals(TrackingSettings settings) {
    this.settings = settings;
  }

  /** When the next warning about a request that is not done is due. */
  Optional<Instant> nextAt(RequestState state) {
    if (state.getDueAt().isEmpty() || state.getOverdueAt().isPresent()) {
      return Optional.empty();
    }
    Instant dueAt = state.getDueAt().get();
    return Optional.of(state.getAtRiskAt().isPresent() ? dueAt : dueAt.minus(settings.atRisk()));
  }

  /** The warning that is due now; of two that are, the graver one. */
  RequestSignal signal(String requestId, RequestState state, Instant now) {
    Instant dueAt = state.getDueAt().orElseThrow();
    return RequestSignal.newBuilder()
        .setRequestId(UUID.fromString(requestId))
        .setKind(dueAt.isAfter(now) ? SignalKind.AT_RISK : SignalKind.OVERDUE)
        .setStatus(state.getStatus())
        .setDueAt(dueAt)
        .setAt(now)
        .build();
  }

  /** The request after the warning. */
  RequestState signalled(RequestState state, RequestSignal signal) {
    RequestState.Builder after = RequestState.newBuilder(state);
    if (state.getAtRiskAt().isEmpty()) {
      after.setAtRiskAt(signal.getAt());
    }
    if (signal.getKind() == SignalKind.OVERDUE) {
      after.setOverdueAt(signal.getAt());
    }
    return after.build();
  }
}
