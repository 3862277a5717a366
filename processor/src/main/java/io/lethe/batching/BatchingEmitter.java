package io.lethe.batching;

import io.lethe.events.HeldOutKey;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.time.Instant;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;

/** What the rules of batching say to the outside, and their clock. */
final class BatchingEmitter {
  private final ProcessorContext<String, BatchingOutput> context;

  BatchingEmitter(ProcessorContext<String, BatchingOutput> context) {
    this.context = context;
  }

  Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  void emit(UnlearningJob job) {
    forward(job.getModelId(), new BatchingOutput.Job(job));
  }

  void emit(ModelVersion version) {
    forward(version.getModelId(), new BatchingOutput.Version(version));
  }

  void retract(HeldOutKey key) {
    forward(key.getModelId(), new BatchingOutput.Retraction(key));
  }

  /** An event of now, by the task's model. */
  RequestEvent.Builder event(ErasureTask task, RequestEventKind kind) {
    return RequestEvent.newBuilder()
        .setRequestId(task.getRequestId())
        .setModelId(task.getModelId())
        .setKind(kind)
        .setAt(now());
  }

  /** What the model answers to a command. */
  RequestEvent.Builder answer(ErasureTask command, RequestEventKind kind) {
    return event(command, kind)
        .setCommand(command.getCommand())
        .setCommandNumber(command.getCommandNumber());
  }

  void emit(RequestEvent.Builder event) {
    RequestEvent built = event.build();
    forward(built.getRequestId().toString(), new BatchingOutput.Event(built));
  }

  private void forward(String key, BatchingOutput output) {
    context.forward(new Record<>(key, output, context.currentSystemTimeMs()));
  }
}
