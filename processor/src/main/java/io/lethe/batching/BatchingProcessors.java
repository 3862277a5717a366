package io.lethe.batching;

import io.lethe.events.FisherChunk;
import io.lethe.events.FisherKey;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutKey;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.state.ErasureTask;
import io.lethe.streams.RuleProcessor;
import io.lethe.streams.TracedContext;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;

/** The processors of batching: one for each input, over the same stores. */
public final class BatchingProcessors {
  private final BatchingSettings settings;
  private final UnaryOperator<ModelVersion> attestor;

  /**
   * @param attestor signs a version whose attestation is still empty; must be deterministic
   */
  public BatchingProcessors(BatchingSettings settings, UnaryOperator<ModelVersion> attestor) {
    this.settings = settings;
    this.attestor = attestor;
  }

  /** Takes registered models and keeps the clock. */
  public ProcessorSupplier<String, ModelRegistered, String, BatchingOutput> models() {
    return RuleProcessor.ticking(
        this::rules,
        (rules, record) ->
            told(rules, () -> rules.onModel(record.key(), Optional.ofNullable(record.value()))),
        settings.tick(),
        rules -> told(rules, () -> rules.onTick()));
  }

  /** Takes erasure tasks. */
  public ProcessorSupplier<String, ErasureTask, String, BatchingOutput> tasks() {
    return RuleProcessor.of(
        this::rules, (rules, record) -> told(rules, () -> rules.onTask(record.value())));
  }

  /** Takes job outcomes. */
  public ProcessorSupplier<String, JobOutcome, String, BatchingOutput> outcomes() {
    return RuleProcessor.of(
        this::rules, (rules, record) -> told(rules, () -> rules.onOutcome(record.value())));
  }

  /** Takes Fisher updates. */
  public ProcessorSupplier<FisherKey, FisherChunk, String, BatchingOutput> fisherUpdates() {
    return RuleProcessor.of(
        this::rules, (rules, record) -> told(rules, () -> rules.onFisher(record.value())));
  }

  /** Takes held-out targets. */
  public ProcessorSupplier<HeldOutKey, HeldOutChunk, String, BatchingOutput> heldoutTargets() {
    return RuleProcessor.of(
        this::rules,
        (rules, record) ->
            told(rules, () -> rules.onHeldOut(record.key(), Optional.ofNullable(record.value()))));
  }

  /** Takes signs of life of running jobs, by model. */
  public ProcessorSupplier<String, JobProgress, String, BatchingOutput> progress() {
    return RuleProcessor.of(
        this::rules, (rules, record) -> told(rules, () -> rules.onProgress(record.value())));
  }

  /** Takes a person's word on jobs that wait for one. */
  public ProcessorSupplier<String, ModelCommand, String, BatchingOutput> commands() {
    return RuleProcessor.of(
        this::rules, (rules, record) -> told(rules, () -> rules.onCommand(record.value())));
  }

  /** Takes a step, and lets its events out, also where it fails: what it stored stays as well. */
  private static void told(Batching rules, Runnable step) {
    try {
      step.run();
    } finally {
      rules.tell();
    }
  }

  private Batching rules(TracedContext<String, BatchingOutput> context) {
    return new Batching(settings, attestor, context);
  }
}
