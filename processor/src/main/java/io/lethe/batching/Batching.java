package io.lethe.batching;

import io.lethe.events.FisherChunk;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestCommand;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The state machine of the models of one partition.
 *
 * <pre>
 *             registered          snapshot whole and outcome RELEASE
 *   (none) ───────────► ANCHORING ───────────► COLLECTING ◄────────────┐
 *                           │                      │ batch fires       │ update whole and
 *                           │ attempts used up     ▼                   │ outcome RELEASE
 *                           └──────► PARKED ◄── UNLEARNING ────────────┘
 * </pre>
 *
 * <p>One job is in flight per model. Tasks that arrive meanwhile wait for the next batch. Nothing
 * is lost in PARKED: the batch keeps its tasks.
 */
final class Batching {
  private static final Logger log = LoggerFactory.getLogger(Batching.class);

  private final ProcessorContext<String, BatchingOutput> context;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;
  private final Jobs jobs;
  private final Batches batches;
  private final Releases releases;

  Batching(
      BatchingSettings settings,
      UnaryOperator<ModelVersion> attestor,
      ProcessorContext<String, BatchingOutput> context) {
    this.context = context;
    stores = new BatchingStores(context);
    emitter = new BatchingEmitter(context);
    pending = new PendingTasks(stores, emitter);
    jobs = new Jobs(settings, stores, emitter);
    batches = new Batches(settings, stores, emitter, pending, jobs);
    releases = new Releases(attestor, stores, emitter, batches, jobs);
  }

  /** Registers a model, or changes the policy of a registered one. */
  void onModel(ModelRegistered registration) {
    if (registration == null) {
      throw new InvalidModelException("a model cannot be retired while requests may need it");
    }
    if (registration.getModelId().isEmpty() || registration.getModelId().indexOf('\u0000') >= 0) {
      throw new InvalidModelException("a modelId must not be empty or hold a NUL");
    }
    ModelState known = stores.model(registration.getModelId());
    if (known == null) {
      put(takeEarly(anchor(registration)));
      return;
    }
    if (!known.getRegistration().getArtifactSha256().equals(registration.getArtifactSha256())
        || !known.getRegistration().getDatasetId().equals(registration.getDatasetId())) {
      throw new InvalidModelException(
          "modelId is taken by another artifact or dataset: register this one under a new modelId");
    }
    put(batches.fireIfDue(ModelState.newBuilder(known).setRegistration(registration).build()));
  }

  /**
   * Takes a task, or a command on one. Intake learns of a model by another topic: its task may be
   * here before the registration, and then waits for it.
   */
  void onTask(ErasureTask task) {
    ModelState state = stores.model(task.getModelId());
    if (state == null) {
      stores.putEarly(task, context.recordMetadata().orElseThrow().offset());
    } else {
      put(batches.fireIfDue(take(state, task)));
    }
  }

  private ModelState take(ModelState state, ErasureTask task) {
    return task.getCommand() == RequestCommand.ERASE
        ? pending.add(state, task)
        : pending.command(state, task);
  }

  private ModelState takeEarly(ModelState state) {
    ModelState next = state;
    try (KeyValueIterator<Bytes, ErasureTask> early =
        stores.early(state.getRegistration().getModelId())) {
      while (early.hasNext()) {
        var entry = early.next();
        next = take(next, entry.value);
        stores.deleteEarly(entry.key);
      }
    }
    return next;
  }

  /** Takes the end of a job. */
  void onOutcome(JobOutcome outcome) {
    ModelState state = stores.model(outcome.getModelId());
    if (state == null || !Jobs.isInFlight(state, outcome.getJobId())) {
      return; // a second delivery, or an offer that another attempt was faster than
    }
    ModelState next =
        switch (outcome.getVerdict()) {
          case RELEASE ->
              releases.completeIfWhole(ModelState.newBuilder(state).setOutcome(outcome).build());
          case ESCALATE, HOLD -> jobs.park(state, outcome.getVerdict().name());
          case FAILED -> jobs.retryOrPark(state, outcome);
        };
    put(batches.fireIfDue(next));
  }

  /** Takes a piece of a Fisher update. */
  void onFisher(FisherChunk chunk) {
    ModelState state = stores.model(chunk.getModelId());
    if (state == null || !state.getAnchorId().equals(chunk.getAnchorId())) {
      return; // of an anchor that is no longer the model's
    }
    switch (stores.fisher().apply(chunk)) {
      case APPLIED -> put(batches.fireIfDue(releases.completeIfWhole(state)));
      case INCOMPLETE ->
          log.error(
              "a Fisher update arrived incomplete; its job will be offered again modelId={} jobId={}",
              chunk.getModelId(),
              chunk.getJobId());
      case STAGED, DUPLICATE -> {}
    }
  }

  /** Fires what is old enough and offers lost and failed jobs again. */
  void onTick() {
    for (String modelId : stores.due(emitter.now())) {
      put(jobs.offerAgainIfDue(batches.fireIfDue(stores.model(modelId))));
    }
  }

  private ModelState anchor(ModelRegistered registration) {
    String anchorId = registration.getArtifactSha256();
    ModelState state =
        ModelState.newBuilder()
            .setRegistration(registration)
            .setPhase(Phase.ANCHORING)
            .setAnchorId(anchorId)
            .setVersion(0)
            .setArtifactSha256(registration.getArtifactSha256())
            .setVersionAt(registration.getRegisteredAt())
            .setTrainingSamples(0)
            .setErasedSamples(0)
            .setNextTask(0)
            .setFirstTask(0)
            .setPendingRequests(0)
            .setPendingSamples(0)
            .setBatchEnd(0)
            .setBatches(0)
            .setJobId(Jobs.id(registration.getModelId(), anchorId, "anchor"))
            .setAttempt(1)
            .setRung(0)
            .setHeardAt(emitter.now())
            .build();
    jobs.offer(state, JobKind.ANCHOR, List.of(), List.of(), 0);
    return state;
  }

  private void put(ModelState state) {
    stores.put(state, deadline(state));
  }

  /** When the clock has to look at the model if nothing arrives before. */
  private Optional<Instant> deadline(ModelState state) {
    if (Jobs.isRunning(state)) {
      return Optional.of(jobs.againAt(state));
    }
    return state.getPhase() == Phase.COLLECTING && state.getPendingRequests() > 0
        ? Optional.of(batches.firesAt(state))
        : Optional.empty();
  }
}
