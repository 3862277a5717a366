package io.lethe.intake;

import io.lethe.events.Trace;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.streams.TracedContext;
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

  /** An event of now, from this partition, in the trace of the record that is processed. */
  RequestEvent.Builder event(UUID requestId, RequestEventKind kind) {
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
