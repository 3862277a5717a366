package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.nio.ByteBuffer;
import java.time.Instant;
import java.util.UUID;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** What the rules of intake say to the outside, and their clock. */
final class IntakeEmitter {
  private final ProcessorContext<String, IntakeOutput> context;

  IntakeEmitter(ProcessorContext<String, IntakeOutput> context) {
    this.context = context;
  }

  Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  /** An event of now about a request of this content, from this partition. */
  RequestEvent.Builder event(UUID requestId, ByteBuffer fingerprint, RequestEventKind kind) {
    return event(requestId, kind).setFingerprint(fingerprint);
  }

  /** Says that a request of this content is denied. */
  void deny(DeletionRequest request, ByteBuffer fingerprint, String reason) {
    emit(
        event(request.getRequestId(), fingerprint, RequestEventKind.DENIED)
            .setReason(reason)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt()));
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
        .setAt(now());
  }

  void emit(RequestEvent.Builder event) {
    RequestEvent built = event.build();
    forward(built.getRequestId().toString(), new IntakeOutput.Event(built));
  }

  void emit(ErasureTask task) {
    forward(task.getModelId(), new IntakeOutput.Task(task));
  }

  private void forward(String key, IntakeOutput output) {
    context.forward(new Record<>(key, output, context.currentSystemTimeMs()));
  }
}
