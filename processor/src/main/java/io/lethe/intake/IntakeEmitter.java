package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Trace;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.streams.TracedContext;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.streams.processor.api.Record;

/** What the rules of intake say to the outside, and their clock. */
final class IntakeEmitter {
  private final TracedContext<String, IntakeOutput> context;

  IntakeEmitter(TracedContext<String, IntakeOutput> context) {
    this.context = context;
  }

  Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  /** The trace of the record that is processed, or null. */
  Trace trace() {
    return context.trace().orElse(null);
  }

  /**
   * An event of now about a request of this content, from this partition, in the trace of the
   * record that is processed.
   */
  RequestEvent.Builder event(UUID requestId, ByteBuffer fingerprint, RequestEventKind kind) {
    return event(requestId, kind).setFingerprint(fingerprint);
  }

  /** Says that a request of this content is denied. */
  void deny(DeletionRequest request, ByteBuffer fingerprint, String reason, Trace trace) {
    emit(
        event(request.getRequestId(), fingerprint, RequestEventKind.DENIED)
            .setReason(reason)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setTrace(trace));
  }

  /** A command of now on a request that this partition does not know, and where it came from. */
  RequestEvent.Builder routed(UUID requestId) {
    RequestEvent.Builder event = event(requestId, RequestEventKind.ROUTED);
    context
        .recordMetadata()
        .ifPresent(
            source ->
                event
                    .setSourceTopic(source.topic())
                    .setSourcePartition(source.partition())
                    .setSourceOffset(source.offset()));
    return event;
  }

  private RequestEvent.Builder event(UUID requestId, RequestEventKind kind) {
    return RequestEvent.newBuilder()
        .setRequestId(requestId)
        .setKind(kind)
        .setIntakePartition(context.taskId().partition())
        .setAt(now())
        .setTrace(trace());
  }

  void emit(RequestEvent.Builder event) {
    RequestEvent built = event.build();
    forward(built.getRequestId().toString(), new IntakeOutput.Event(built), built.getTrace());
  }

  void emit(ErasureTask task) {
    forward(task.getModelId(), new IntakeOutput.Task(task), task.getTrace());
  }

  private void forward(String key, IntakeOutput output, Optional<Trace> trace) {
    context.forward(new Record<>(key, output, context.currentSystemTimeMs()), trace);
  }
}
