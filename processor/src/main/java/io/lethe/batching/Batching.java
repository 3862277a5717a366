package io.lethe.batching;

import io.lethe.events.FisherChunk;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelResult;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
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
 *
 * <p>A job's id is derived from the model, the anchor and the batch, so the same work has the same
 * id in every offer; outcomes and updates of other ids are ignored.
 */
final class Batching {
  private static final Logger log = LoggerFactory.getLogger(Batching.class);
  private static final int MAX_BACKOFF_DOUBLINGS = 6;

  private final BatchingSettings settings;
  private final UnaryOperator<ModelVersion> attestor;
  private final ProcessorContext<String, BatchingOutput> context;
  private final BatchingStores stores;

  Batching(
      BatchingSettings settings,
      UnaryOperator<ModelVersion> attestor,
      ProcessorContext<String, BatchingOutput> context) {
    this.settings = settings;
    this.attestor = attestor;
    this.context = context;
    this.stores = new BatchingStores(context);
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
      anchor(registration);
      return;
    }
    if (!known.getRegistration().getArtifactSha256().equals(registration.getArtifactSha256())
        || !known.getRegistration().getDatasetId().equals(registration.getDatasetId())) {
      throw new InvalidModelException(
          "modelId is taken by another artifact or dataset: register this one under a new modelId");
    }
    ModelState changed = ModelState.newBuilder(known).setRegistration(registration).build();
    stores.put(fireIfDue(changed));
  }

  /** Adds a task to its model's pending batch. */
  void onTask(ErasureTask task) {
    ModelState state = stores.model(task.getModelId());
    if (state == null) {
      throw new InvalidModelException("an erasure task names a model that is not registered");
    }
    stores.putTask(state.getNextTask(), task);
    ModelState changed =
        ModelState.newBuilder(state)
            .setNextTask(state.getNextTask() + 1)
            .setPendingRequests(state.getPendingRequests() + 1)
            .setPendingSamples(state.getPendingSamples() + task.getSampleIds().size())
            .setOldestPendingAt(state.getOldestPendingAt().orElseGet(this::now))
            .build();
    stores.put(fireIfDue(changed));
  }

  /** Takes the end of a job. */
  void onOutcome(JobOutcome outcome) {
    ModelState state = stores.model(outcome.getModelId());
    if (state == null || !isInFlight(state, outcome.getJobId())) {
      return; // a second delivery, or an offer that another attempt was faster than
    }
    stores.put(
        switch (outcome.getVerdict()) {
          case RELEASE -> completeIfWhole(ModelState.newBuilder(state).setOutcome(outcome).build());
          case ESCALATE, HOLD -> park(state, outcome.getVerdict().name());
          case FAILED -> retryOrPark(state, outcome);
        });
  }

  /** Takes a piece of a Fisher update. */
  void onFisher(FisherChunk chunk) {
    ModelState state = stores.model(chunk.getModelId());
    if (state == null || !state.getAnchorId().equals(chunk.getAnchorId())) {
      return; // of an anchor that is no longer the model's
    }
    switch (stores.fisher().apply(chunk)) {
      case APPLIED -> stores.put(completeIfWhole(state));
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
    List<ModelState> changed = new ArrayList<>();
    stores.forEachModel(
        state -> {
          ModelState next = offerAgainIfDue(fireIfDue(state));
          if (next != state) {
            changed.add(next);
          }
        });
    changed.forEach(stores::put);
  }

  private void anchor(ModelRegistered registration) {
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
            .setJobId(jobId(registration.getModelId(), anchorId, "anchor"))
            .setAttempt(1)
            .setRung(0)
            .setHeardAt(now())
            .build();
    offer(job(state, JobKind.ANCHOR, List.of(), List.of(), 0));
    stores.put(state);
  }

  /** Fires the pending batch when a rule of the policy says so. */
  private ModelState fireIfDue(ModelState state) {
    UnlearningPolicy policy = state.getRegistration().getPolicy();
    if (state.getPhase() != Phase.COLLECTING || state.getPendingRequests() == 0) {
      return state;
    }
    Duration age = Duration.between(state.getOldestPendingAt().orElseThrow(), now());
    boolean due =
        state.getPendingRequests() >= policy.getMaxRequests()
            || state.getPendingSamples() >= policy.getMaxSamples()
            || age.toMillis() >= policy.getMaxAgeMillis();
    return due ? fire(state) : state;
  }

  private ModelState fire(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    TreeSet<String> samples = new TreeSet<>();
    long end = state.getFirstTask();
    long pendingSamples = state.getPendingSamples();
    List<ErasureTask> batch = new ArrayList<>();
    for (ErasureTask task : stores.tasks(modelId, state.getFirstTask(), state.getNextTask())) {
      if (!batch.isEmpty()
          && samples.size() + task.getSampleIds().size() > settings.maxSamplesPerJob()) {
        break;
      }
      task.getSampleIds().stream()
          .filter(id -> !stores.isErased(modelId, state.getAnchorId(), id))
          .forEach(samples::add);
      batch.add(task);
      pendingSamples -= task.getSampleIds().size();
      end++;
    }
    ModelState fired =
        ModelState.newBuilder(state)
            .setBatchEnd(end)
            .setBatches(state.getBatches() + 1)
            .setPendingRequests(state.getPendingRequests() - batch.size())
            .setPendingSamples(pendingSamples)
            .setOldestPendingAt(end == state.getNextTask() ? null : now())
            .build();
    if (samples.isEmpty()) {
      // All were erased by earlier batches: the current version has forgotten them.
      return fireIfDue(answerBatch(fired));
    }
    ModelState unlearning =
        ModelState.newBuilder(fired)
            .setPhase(Phase.UNLEARNING)
            .setJobId(jobId(modelId, state.getAnchorId(), Long.toString(state.getFirstTask())))
            .setAttempt(1)
            .setHeardAt(now())
            .build();
    offer(
        job(
            unlearning,
            JobKind.UNLEARN,
            List.copyOf(samples),
            stores.erased(modelId, state.getAnchorId()),
            batch.size()));
    batch.forEach(task -> emit(event(task, RequestEventKind.STARTED).setModelId(modelId).build()));
    return unlearning;
  }

  /** Ends the job in flight once both its outcome and its Fisher update are there. */
  private ModelState completeIfWhole(ModelState state) {
    if (state.getOutcome().isEmpty()) {
      return state;
    }
    JobOutcome outcome = state.getOutcome().get();
    var fisher = stores.fisher().state(outcome.getModelId(), state.getAnchorId());
    boolean applied =
        fisher.isPresent() && fisher.get().getAppliedJobs().contains(outcome.getJobId());
    if (!applied) {
      return state;
    }
    if (outcome.getKind() == JobKind.ANCHOR) {
      return fireIfDue(idle(state).setTrainingSamples(fisher.get().getRetainedSamples()).build());
    }
    return fireIfDue(release(state, outcome));
  }

  private ModelState release(ModelState state, JobOutcome outcome) {
    UnlearningJob job = stores.job(outcome.getModelId());
    for (String sampleId : job.getSampleIds()) {
      stores.markErased(outcome.getModelId(), state.getAnchorId(), sampleId, job.getJobId());
    }
    int erased = state.getErasedSamples() + job.getSampleIds().size();
    ModelVersion version =
        attestor.apply(
            ModelVersion.newBuilder()
                .setModelId(outcome.getModelId())
                .setVersion(state.getVersion() + 1)
                .setParent(state.getVersion())
                .setAnchorId(state.getAnchorId())
                .setJobId(job.getJobId())
                .setArtifactUri(outcome.getArtifactUri().orElseThrow())
                .setArtifactSha256(outcome.getArtifactSha256().orElseThrow())
                .setFormat(job.getFormat())
                .setMethod(outcome.getMethod().orElseThrow())
                .setSelectedFraction(outcome.getSelectedFraction().orElse(0.0))
                .setBefore(outcome.getBefore().orElseThrow())
                .setAfter(outcome.getAfter().orElseThrow())
                .setControl(outcome.getControl().orElse(null))
                .setChecks(outcome.getChecks())
                .setRequests(job.getRequests())
                .setSamples(job.getSampleIds().size())
                .setErasedSamples(erased)
                .setPublishedAt(now())
                .setAttestation("")
                .build());
    context.forward(
        new Record<>(
            version.getModelId(),
            new BatchingOutput.Version(version),
            context.currentSystemTimeMs()));
    return answerBatch(
        idle(state)
            .setVersion(version.getVersion())
            .setArtifactSha256(version.getArtifactSha256())
            .setVersionAt(version.getPublishedAt())
            .setErasedSamples(erased)
            .build());
  }

  /** Tells the requests of the batch that the current version has forgotten their samples. */
  private ModelState answerBatch(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    for (ErasureTask task : stores.tasks(modelId, state.getFirstTask(), state.getBatchEnd())) {
      emit(
          event(task, RequestEventKind.UNLEARNED)
              .setModelResult(
                  ModelResult.newBuilder()
                      .setModelId(modelId)
                      .setVersion(state.getVersion())
                      .setArtifactSha256(state.getArtifactSha256())
                      .setSamples(task.getSampleIds().size())
                      .setUnlearnedAt(state.getVersionAt())
                      .build())
              .build());
    }
    stores.deleteTasks(modelId, state.getFirstTask(), state.getBatchEnd());
    return ModelState.newBuilder(state).setFirstTask(state.getBatchEnd()).build();
  }

  private ModelState.Builder idle(ModelState state) {
    stores.deleteJob(state.getRegistration().getModelId());
    return ModelState.newBuilder(state)
        .setPhase(Phase.COLLECTING)
        .clearJobId()
        .clearHeardAt()
        .clearRetryAt()
        .clearOutcome()
        .setAttempt(0);
  }

  private ModelState retryOrPark(ModelState state, JobOutcome outcome) {
    if (outcome.getAttempt() < state.getAttempt() || state.getRetryAt().isPresent()) {
      return state; // of an earlier offer: a newer one is under way
    }
    int maxAttempts = state.getRegistration().getPolicy().getMaxAttempts();
    if (!outcome.getRetryable() || state.getAttempt() >= maxAttempts) {
      return park(state, outcome.getError().orElse("unknown"));
    }
    int doublings = Math.min(state.getAttempt() - 1, MAX_BACKOFF_DOUBLINGS);
    Instant retryAt = now().plus(settings.retryBackoff().multipliedBy(1L << doublings));
    return ModelState.newBuilder(state).setRetryAt(retryAt).build();
  }

  private ModelState park(ModelState state, String reason) {
    log.error(
        "batch parked, its requests are kept modelId={} jobId={} reason={}",
        state.getRegistration().getModelId(),
        state.getJobId().orElseThrow(),
        reason);
    return ModelState.newBuilder(state).setPhase(Phase.PARKED).clearRetryAt().build();
  }

  private ModelState offerAgainIfDue(ModelState state) {
    if (state.getPhase() != Phase.ANCHORING && state.getPhase() != Phase.UNLEARNING) {
      return state;
    }
    boolean retry = state.getRetryAt().filter(at -> !at.isAfter(now())).isPresent();
    boolean lost =
        state.getRetryAt().isEmpty()
            && !state.getHeardAt().orElseThrow().plus(settings.jobTimeout()).isAfter(now());
    if (!retry && !lost) {
      return state;
    }
    int attempt = state.getAttempt() + 1;
    UnlearningJob again =
        UnlearningJob.newBuilder(stores.job(state.getRegistration().getModelId()))
            .setAttempt(attempt)
            .build();
    offer(again);
    return ModelState.newBuilder(state)
        .setAttempt(attempt)
        .setHeardAt(now())
        .clearRetryAt()
        .clearOutcome()
        .build();
  }

  private UnlearningJob job(
      ModelState state, JobKind kind, List<String> samples, List<String> erased, int requests) {
    ModelRegistered model = state.getRegistration();
    return UnlearningJob.newBuilder()
        .setJobId(state.getJobId().orElseThrow())
        .setKind(kind)
        .setModelId(model.getModelId())
        .setAttempt(state.getAttempt())
        .setAnchorId(state.getAnchorId())
        .setFormat(model.getFormat())
        .setAnchorUri(model.getArtifactUri())
        .setAnchorSha256(model.getArtifactSha256())
        .setDatasetUri(model.getDatasetUri())
        .setHoldoutUri(model.getHoldoutUri().orElse(null))
        .setSampleIds(samples)
        .setErasedSampleIds(erased)
        .setRequests(requests)
        .setPolicy(model.getPolicy())
        .setCreatedAt(now())
        .build();
  }

  private void offer(UnlearningJob job) {
    stores.putJob(job);
    context.forward(
        new Record<>(job.getModelId(), new BatchingOutput.Job(job), context.currentSystemTimeMs()));
  }

  private RequestEvent.Builder event(ErasureTask task, RequestEventKind kind) {
    return RequestEvent.newBuilder().setRequestId(task.getRequestId()).setKind(kind).setAt(now());
  }

  private void emit(RequestEvent event) {
    context.forward(
        new Record<>(
            event.getRequestId().toString(),
            new BatchingOutput.Event(event),
            context.currentSystemTimeMs()));
  }

  private Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  private static boolean isInFlight(ModelState state, UUID jobId) {
    boolean running = state.getPhase() == Phase.ANCHORING || state.getPhase() == Phase.UNLEARNING;
    return running && state.getJobId().filter(jobId::equals).isPresent();
  }

  private static UUID jobId(String modelId, String anchorId, String work) {
    String name = String.join("\u0000", modelId, anchorId, work);
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }
}
