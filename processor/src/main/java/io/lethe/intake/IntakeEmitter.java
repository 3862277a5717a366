package io.lethe.intake;

import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
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

  /** An event of now, from this partition. */
  RequestEvent.Builder event(UUID requestId, RequestEventKind kind) {
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
