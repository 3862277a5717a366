package io.lethe.batching;

import io.lethe.events.HeldOutKey;
import io.lethe.events.ModelVersion;
import io.lethe.events.Trace;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.streams.TracedContext;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.streams.processor.api.Record;

/** What the rules of batching say to the outside, and their clock. */
final class BatchingEmitter {
  /** So many are held in memory at most. */
  private static final int MAX_EVENTS = 2_000;

  private final TracedContext<String, BatchingOutput> context;
  private final List<RequestEvent> events = new ArrayList<>();

  BatchingEmitter(TracedContext<String, BatchingOutput> context) {
    this.context = context;
  }

  Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  /** The trace of the record that is processed, or null. */
  Trace trace() {
    return context.trace().orElse(null);
  }

  /** Emits a job in its own trace. */
  void emit(UnlearningJob job) {
    forward(job.getModelId(), new BatchingOutput.Job(job), job.getTrace());
  }

  /** Emits a version in the trace of its job. */
  void emit(ModelVersion version, Optional<Trace> trace) {
    forward(version.getModelId(), new BatchingOutput.Version(version), trace);
  }

  void retract(HeldOutKey key) {
    forward(key.getModelId(), new BatchingOutput.Retraction(key), Optional.empty());
  }

  /** An event of now, by the task's model, in the task's trace. */
  RequestEvent.Builder event(ErasureTask task, RequestEventKind kind) {
    return RequestEvent.newBuilder()
        .setRequestId(task.getRequestId())
        .setFingerprint(task.getFingerprint())
        .setModelId(task.getModelId())
        .setKind(kind)
        .setAt(now())
        .setTrace(task.getTrace().orElse(null));
  }

  /** What the model answers to a command. */
  RequestEvent.Builder answer(ErasureTask command, RequestEventKind kind) {
    return event(command, kind)
        .setCommand(command.getCommand())
        .setCommandNumber(command.getCommandNumber());
  }

  /** Emits an event with those of the same step, see {@link #flush}. */
  void emit(RequestEvent.Builder event) {
    events.add(event.build());
    if (events.size() == MAX_EVENTS) {
      flush();
    }
  }

  /** Emits the events of a step; to be called at its end, also where it fails. */
  void flush() {
    if (!events.isEmpty()) {
      BatchingOutput.Events together = new BatchingOutput.Events(events);
      events.clear();
      forward(together.events().get(0).getModelId().orElse(""), together, Optional.empty());
    }
  }

  private void forward(String key, BatchingOutput output, Optional<Trace> trace) {
    context.forward(new Record<>(key, output, context.currentSystemTimeMs()), trace);
  }
}
