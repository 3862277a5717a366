package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelResult;
import io.lethe.events.RequestSignal;
import io.lethe.events.RequestStatus;
import io.lethe.events.Trace;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelStage;
import io.lethe.state.RequestConflict;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.state.RequestState;
import io.lethe.streams.TracedContext;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.processor.api.Record;

/**
 * The rules of tracking: pending → in_progress → completed, cancelled, or denied. Intake and the
 * models report on two topics, in any order. A request gets exactly one receipt: when it is denied,
 * when it is cancelled before it has tasks, or when each of its models is done with it.
 *
 * <p>A cancel reaches each model that has not begun, or whose job waits for a person. Where one has
 * begun it finishes, and so does the request: completed, with the models from which it was
 * withdrawn named on the receipt. Only a request that no model had begun ends as cancelled.
 */
final class Tracking {
  /** The rest is looked at in the next tick: a tick must not take long. */
  private static final int LOOKED_AT_PER_TICK = 5_000;

  private final TrackingSettings settings;

  private final UnaryOperator<ErasureReceipt> attestor;
  private final TracedContext<String, TrackingOutput> context;
  private final TrackingStores stores;
  private final Signals signals;
  private final EarlyCommandQueue early;

  Tracking(
      TrackingSettings settings,
      UnaryOperator<ErasureReceipt> attestor,
      TracedContext<String, TrackingOutput> context) {
    this.settings = settings;
    this.attestor = attestor;
    this.context = context;
    stores = new TrackingStores(context);
    signals = new Signals(settings);
    early = new EarlyCommandQueue(settings.commandPatience(), stores);
  }

  void onEvent(String requestId, RequestEvent event) {
    RequestState known = stores.request(requestId);
    boolean foreign =
        known != null
            && event.getKind() != RequestEventKind.ROUTED
            && Conflicts.isForeign(known, event);
    if (foreign) {
      onForeign(requestId, known, event);
    } else {
      take(requestId, known, event);
    }
  }

  private void take(String requestId, RequestState known, RequestEvent event) {
    switch (event.getKind()) {
      case ROUTED -> route(requestId, known, event);
      case COMMANDED, REFUSED, WITHDRAWN, CANCELLED, HELD, RESUMED, EXTENDED ->
          answer(event, known, Steps.orPlaceholder(known, event));
      case RECEIVED, ACCEPTED, DENIED, STARTED, STOPPED, UNLEARNED, RETIRED -> {
        if (known == null || !Steps.isFinal(known.getStatus())) {
          settle(event, known, Steps.advanced(Steps.orPlaceholder(known, event), event));
        }
      }
      case EXACT -> {
        if (known != null) {
          settle(event, known, Steps.exact(known, event));
        }
      }
      case EXPIRED -> throw new IllegalStateException("not for tracking: " + event.getKind());
    }
  }

  private void answer(RequestEvent event, RequestState known, RequestState before) {
    RequestState after = Steps.commanded(before, event);
    settle(event, known, after);
    if (Commands.refusesHold(before, after, event)) {
      feedback(
          about(event, RequestEventKind.REFUSED, event.getFingerprint())
              .setCommand(event.getCommand().orElseThrow())
              .setCommandNumber(event.getCommandNumber()),
          after.getIntakePartition());
    }
  }

  /** Another request that came under this id goes on by itself; intake takes it back. */
  private void onForeign(String requestId, RequestState known, RequestEvent event) {
    boolean byIntake =
        switch (event.getKind()) {
          case RECEIVED, ACCEPTED, DENIED -> true;
          default -> false;
        };
    if (byIntake && !Conflicts.isKnown(known, event)) {
      put(requestId, Conflicts.with(known, event));
      feedback(event, RequestEventKind.DENIED, event.getFingerprint(), event.getIntakePartition());
    }
    RequestEvent renamed = Conflicts.renamed(event);
    String own = renamed.getRequestId().toString();
    RequestState state = stores.request(own);
    take(own, state == null ? Conflicts.sentAs(event, Steps.placeholder(renamed)) : state, renamed);
  }

  /** Sends a command that came in under another key to the partition that knows its request. */
  private void route(String requestId, RequestState known, RequestEvent command) {
    if (known != null && known.getIntakePartition() >= 0) {
      routeTo(known.getIntakePartition(), command);
    } else if (!early.add(requestId, command, now())) {
      undeliverable(command);
    }
  }

  private void routeTo(int partition, RequestEvent command) {
    feedback(RequestEvent.newBuilder(command), partition);
  }

  private void undeliverable(RequestEvent command) {
    forward(
        command.getRequestId().toString(),
        new TrackingOutput.Undeliverable(command, new UnknownRequestException()),
        command.getTrace());
  }

  /** Stores what became of a request, and ends it when nothing is left to be done. */
  private void settle(RequestEvent event, RequestState before, RequestState state) {
    boolean ended = before != null && Steps.isFinal(before.getStatus());
    RequestState after = ended ? state : concluded(state);
    boolean ends = !ended && Steps.isFinal(after.getStatus());
    // Signed before the end is stored: what fails here must not leave an end without a receipt.
    Optional<ErasureReceipt> receipt = ends ? Optional.of(receipt(event, after)) : Optional.empty();
    String requestId = event.getRequestId().toString();
    put(requestId, after);
    if (receipt.isPresent()) {
      forward(requestId, new TrackingOutput.Receipt(receipt.get()), after.getTrace());
      boolean unbinds = after.getSentAs().isEmpty() && after.getAccepted();
      if (after.getStatus() == RequestStatus.CANCELLED && unbinds) {
        tellIntake(event, RequestEventKind.CANCELLED, after); // it binds nothing that comes later
      }
    }
    boolean wasUnknown = before == null || isPlaceholder(before);
    if (wasUnknown && event.getIntakePartition() >= 0) {
      early.take(requestId).forEach(command -> routeTo(event.getIntakePartition(), command));
    }
  }

  /** Warns about due dates, gives commands up and forgets what ended long ago. */
  void onTick() {
    for (TrackingStores.Due due : stores.due(now(), LOOKED_AT_PER_TICK)) {
      if (due.early()) {
        early.take(due.requestId()).forEach(this::undeliverable);
        continue;
      }
      RequestState state = stores.look(due.requestId());
      Optional<Instant> deadline = deadline(state);
      if (deadline.isEmpty() || deadline.get().isAfter(now())) {
        stores.put(due.requestId(), state, deadline); // the entry was of an earlier state
      } else if (isForgotten(state)) {
        forget(due.requestId(), state);
      } else {
        signal(due.requestId(), state);
      }
    }
  }

  private void signal(String requestId, RequestState state) {
    RequestSignal signal = signals.signal(requestId, state, now());
    put(requestId, signals.signalled(state, signal));
    forward(requestId, new TrackingOutput.Signal(signal), state.getTrace());
  }

  /** Forgets a request here and at intake, with those that were denied for its id. */
  private void forget(String requestId, RequestState state) {
    stores.delete(requestId);
    if (state.getSentAs().isPresent()) {
      return; // intake forgets it with the one that has the id
    }
    RequestEvent about =
        RequestEvent.newBuilder()
            .setRequestId(UUID.fromString(requestId))
            .setKind(RequestEventKind.EXPIRED)
            .setAt(now())
            .build();
    tellIntake(about, RequestEventKind.EXPIRED, state);
    for (RequestConflict conflict : state.getConflicts()) {
      feedback(
          about,
          RequestEventKind.EXPIRED,
          conflict.getFingerprint(),
          conflict.getIntakePartition());
    }
  }

  private void put(String requestId, RequestState state) {
    boolean ended = Steps.isFinal(state.getStatus());
    RequestState after =
        ended && state.getEndedAt().isEmpty()
            ? RequestState.newBuilder(state).setEndedAt(now()).build()
            : state;
    stores.put(requestId, after, deadline(after));
  }

  /** When the clock has to look at the request: to warn, or to forget it. */
  private Optional<Instant> deadline(RequestState state) {
    return isForgotten(state)
        ? Optional.of(state.getEndedAt().orElse(state.getUpdatedAt()).plus(settings.retention()))
        : signals.nextAt(state);
  }

  private static boolean isForgotten(RequestState state) {
    return Steps.isFinal(state.getStatus()) || isPlaceholder(state);
  }

  /** Whether intake has said nothing about it: also a request that was forgotten and is no more. */
  private static boolean isPlaceholder(RequestState state) {
    return state.getIntakePartition() < 0;
  }

  private Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  private void tellIntake(RequestEvent event, RequestEventKind kind, RequestState state) {
    feedback(event, kind, state.getFingerprint().orElseThrow(), state.getIntakePartition());
  }

  /** Tells a partition of intake what became of the request with this content. */
  private void feedback(
      RequestEvent event, RequestEventKind kind, ByteBuffer fingerprint, int partition) {
    feedback(about(event, kind, fingerprint), partition);
  }

  private RequestEvent.Builder about(
      RequestEvent event, RequestEventKind kind, ByteBuffer fingerprint) {
    return RequestEvent.newBuilder()
        .setRequestId(event.getRequestId())
        .setFingerprint(fingerprint)
        .setKind(kind)
        .setAt(now())
        .setTrace(event.getTrace().orElse(null));
  }

  private static RequestState concluded(RequestState state) {
    if (Steps.isFinal(state.getStatus()) || !state.getAccepted()) {
      return state;
    }
    int withdrawn = count(state, ModelStage.WITHDRAWN);
    int retired = count(state, ModelStage.RETIRED);
    int done = 0;
    for (ModelResult result : state.getResults()) {
      ModelStage stage = stageOf(state, result.getModelId());
      boolean open = stage == ModelStage.QUARANTINED || stage == ModelStage.RETIRED;
      done += open ? 0 : 1;
    }
    if (done + withdrawn + retired < state.getModels().size()) {
      return state;
    }
    boolean forgotten = !state.getResults().isEmpty();
    if (state.getSentAs().isPresent()) {
      return Conflicts.concluded(state, forgotten ? lastUnlearnedAt(state) : null);
    }
    boolean cancelled = !forgotten && withdrawn > 0;
    return RequestState.newBuilder(state)
        .setUnlearnedAt(forgotten ? lastUnlearnedAt(state) : null)
        .setStatus(cancelled ? RequestStatus.CANCELLED : RequestStatus.COMPLETED)
        .setReason(forgotten || cancelled ? null : "model_retired")
        .build();
  }

  private static Instant lastUnlearnedAt(RequestState state) {
    return state.getResults().stream()
        .map(ModelResult::getUnlearnedAt)
        .max(Comparator.naturalOrder())
        .orElseThrow();
  }

  private static List<String> models(RequestState state, ModelStage stage) {
    return state.getProgress().stream()
        .filter(progress -> progress.getStage() == stage)
        .map(ModelProgress::getModelId)
        .toList();
  }

  private static int count(RequestState state, ModelStage stage) {
    int count = 0;
    for (ModelProgress progress : state.getProgress()) {
      count += progress.getStage() == stage ? 1 : 0;
    }
    return count;
  }

  /** What the model has come to; null before it has reported. */
  private static ModelStage stageOf(RequestState state, String modelId) {
    for (ModelProgress progress : state.getProgress()) {
      if (progress.getModelId().equals(modelId)) {
        return progress.getStage();
      }
    }
    return null;
  }

  private ErasureReceipt receipt(RequestEvent event, RequestState state) {
    return attestor.apply(
        ErasureReceipt.newBuilder()
            .setRequestId(event.getRequestId())
            .setFollowUpOf(state.getFollowUpOf().orElse(null))
            .setSentAs(state.getSentAs().orElse(null))
            .setStatus(state.getStatus())
            .setReason(state.getReason().orElse(null))
            .setRegulation(state.getRegulation())
            .setModels(state.getResults())
            .setWithdrawnModels(models(state, ModelStage.WITHDRAWN))
            .setRetiredModels(models(state, ModelStage.RETIRED))
            .setReceivedAt(state.getReceivedAt())
            .setDueAt(state.getDueAt().orElse(null))
            .setUnlearnedAt(state.getUnlearnedAt().orElse(null))
            .setExactAt(state.getExactAt().orElse(null))
            .setCompletedAt(now())
            .setAttestation("")
            .build());
  }

  private void feedback(RequestEvent.Builder event, int partition) {
    if (partition < 0) {
      return;
    }
    RequestEvent built = event.setIntakePartition(partition).build();
    forward(built.getRequestId().toString(), new TrackingOutput.Feedback(built), built.getTrace());
  }

  private void forward(String requestId, TrackingOutput output, Optional<Trace> trace) {
    context.forward(new Record<>(requestId, output, context.currentSystemTimeMs()), trace);
  }
}
