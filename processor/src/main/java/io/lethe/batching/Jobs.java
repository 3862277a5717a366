package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelRegistered;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestEventKind;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one job of a model: its offer, its loss, its failure.
 *
 * <p>A job's id is derived from the model, the anchor and the batch, so the same work has the same
 * id in every offer; outcomes and updates of other ids are ignored.
 */
final class Jobs {
  private static final Logger log = LoggerFactory.getLogger(Jobs.class);
  private static final int MAX_BACKOFF_DOUBLINGS = 6;
  private static final int SIGNS_PER_SILENCE = 10;

  private final BatchingSettings settings;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;

  Jobs(BatchingSettings settings, BatchingStores stores, BatchingEmitter emitter) {
    this.settings = settings;
    this.stores = stores;
    this.emitter = emitter;
  }

  /** Of work under the model's anchor; an anchor that comes a second time has other ids. */
  static UUID id(ModelState state, String work) {
    String anchoring = state.getAnchorings() == 1 ? "" : "#" + state.getAnchorings();
    String modelId = state.getRegistration().getModelId();
    String name = String.join("\u0000", modelId, state.getAnchorId() + anchoring, work);
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }

  static boolean isRunning(ModelState state) {
    return state.getPhase() == Phase.ANCHORING
        || state.getPhase() == Phase.UNLEARNING
        || state.getPhase() == Phase.RETRAINING;
  }

  static boolean isInFlight(ModelState state, UUID jobId) {
    return isRunning(state) && state.getJobId().filter(jobId::equals).isPresent();
  }

  /** The state's job; {@link #offer} it once it names what to forget. */
  UnlearningJob.Builder job(ModelState state, JobKind kind) {
    return described(UnlearningJob.newBuilder(), state)
        .setJobId(state.getJobId().orElseThrow())
        .setKind(kind)
        .setAttempt(state.getAttempt())
        .setAnchorId(state.getAnchorId())
        .setAnchorSha256(state.getAnchorId())
        .setParentUri(state.getArtifactUri().isEmpty() ? null : state.getArtifactUri())
        .setParentSha256(state.getArtifactUri().isEmpty() ? null : state.getArtifactSha256())
        .setErasedSamples(state.getErasedSamples())
        .setCreatedAt(emitter.now())
        .setTrace(emitter.trace());
  }

  /** A job with what the registration says of its model. */
  private static UnlearningJob.Builder described(UnlearningJob.Builder job, ModelState state) {
    ModelRegistered model = state.getRegistration();
    return job.setModelId(model.getModelId())
        .setFormat(model.getFormat())
        .setAnchorUri(state.getAnchorUri())
        .setRecipe(model.getRecipe().orElse(null))
        .setDatasetId(model.getDatasetId())
        .setDatasetUri(model.getDatasetUri())
        .setHoldoutUri(model.getHoldoutUri().orElse(null))
        .setPolicy(model.getPolicy());
  }

  void offer(UnlearningJob job) {
    stores.putJob(job);
    emitter.emit(job);
  }

  ModelState retryOrStop(ModelState state, JobOutcome outcome) {
    if (state.getRetryAt().isPresent()) {
      return state;
    }
    int maxAttempts = state.getRegistration().getPolicy().getMaxAttempts();
    int attempts = state.getAttempt() - state.getFirstAttempt() + 1;
    if (!outcome.getRetryable() || attempts >= maxAttempts) {
      return stop(state, Phase.PARKED, outcome.getError().orElse("unknown"));
    }
    int doublings = Math.min(attempts - 1, MAX_BACKOFF_DOUBLINGS);
    Instant retryAt = emitter.now().plus(settings.retryBackoff().multipliedBy(1L << doublings));
    return ModelState.newBuilder(state).setRetryAt(retryAt).build();
  }

  /** Lets the batch wait for a person's word on the model that its job has made. */
  ModelState hold(ModelState state, Phase phase, JobOutcome outcome, String reason) {
    stores.putJob(
        UnlearningJob.newBuilder(stores.job(outcome.getModelId()))
            .setHeldSha256(outcome.getArtifactSha256().orElse(null))
            .build());
    return stop(state, phase, reason);
  }

  /** Lets the batch wait for a person; its requests are kept and told so. */
  ModelState stop(ModelState state, Phase phase, String reason) {
    log.error(
        "a job waits for a person, its requests are kept modelId={} jobId={} phase={} reason={}",
        state.getRegistration().getModelId(),
        state.getJobId().orElseThrow(),
        phase,
        reason);
    String told = phase.name().toLowerCase(Locale.ROOT);
    eachOfBatch(
        state, task -> emitter.emit(emitter.event(task, RequestEventKind.STOPPED).setReason(told)));
    return ModelState.newBuilder(state).setPhase(phase).clearRetryAt().clearOutcome().build();
  }

  /** Whether there is a job that goes on only when a person says so. */
  static boolean waitsForPerson(ModelState state) {
    return state.getPhase() == Phase.PARKED
        || state.getPhase() == Phase.HELD
        || state.getPhase() == Phase.ESCALATED;
  }

  /**
   * The job that waits for a person, without the requests that were withdrawn or held meanwhile:
   * one of them may be what it failed by. Other work has another id.
   */
  UnlearningJob waiting(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    UnlearningJob job = stores.job(modelId);
    TreeSet<String> samples = new TreeSet<>();
    TreeSet<String> classes = new TreeSet<>();
    int requests = 0;
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(modelId, state.getFirstTask(), state.getBatchEnd())) {
      while (tasks.hasNext()) {
        stores.collect(state, tasks.next().value, samples, classes);
        requests++;
      }
    }
    int withdrawn = job.getRequests() - requests;
    return withdrawn == 0
        ? job
        : UnlearningJob.newBuilder(job)
            .setJobId(id(state, job.getJobId() + " without " + withdrawn))
            .setSampleIds(List.copyOf(samples))
            .setClasses(List.copyOf(classes))
            .setRequests(requests)
            .build();
  }

  /** Ends a job that waits for a person once all that it was for has been withdrawn or held. */
  ModelState endedIfWithdrawn(ModelState state) {
    if (!waitsForPerson(state) || state.getFirstTask() == state.getBatchEnd()) {
      return state;
    }
    String modelId = state.getRegistration().getModelId();
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(modelId, state.getFirstTask(), state.getBatchEnd())) {
      if (tasks.hasNext()) {
        return state;
      }
    }
    // A retraining is for the requests of earlier releases as well. And the job that it runs in
    // place of may have been subtracted: without a new anchor the sums would stay so.
    boolean needed =
        stores.job(modelId).getKind() == JobKind.RETRAIN
            && (state.getErasedSamples() > 0
                || state.getAwaitingExact() > 0
                || stores.hasErasedInSums(state));
    return needed ? state : ended(state).setFirstTask(state.getBatchEnd()).build();
  }

  /**
   * A job that waits, for another try. Of ANCHOR and RETRAIN it is other work, with another id,
   * where the registration has changed: what an earlier run still brings is not what it asks for.
   * An UNLEARN job keeps its id, by which its update is taken from the sums once.
   */
  UnlearningJob again(ModelState state, UnlearningJob waiting, UnaryOperator<UnlearningJob> also) {
    UnlearningJob before = UnlearningJob.newBuilder(waiting).setHeldSha256(null).build();
    UnlearningJob now = also.apply(described(UnlearningJob.newBuilder(before), state).build());
    if (waiting.getKind() == JobKind.UNLEARN || now.equals(before)) {
      return now;
    }
    String work = waiting.getJobId() + " after " + state.getAttempt();
    return UnlearningJob.newBuilder(now).setJobId(id(state, work)).build();
  }

  /**
   * A job that waits, for publishing what it has made: the same work, as another policy makes
   * another model. Where it is not known what it has made, the current one holds.
   */
  static UnlearningJob released(ModelState state, UnlearningJob waiting) {
    boolean known = waiting.getHeldSha256().isPresent();
    return UnlearningJob.newBuilder(waiting)
        .setPolicy(known ? waiting.getPolicy() : state.getRegistration().getPolicy())
        .build();
  }

  /** Goes on with a job that waits for a person. */
  ModelState resume(ModelState state, UnlearningJob job, boolean gateOverridden) {
    int attempt = state.getAttempt() + 1;
    offer(
        UnlearningJob.newBuilder(job)
            .setAttempt(attempt)
            .setGateOverridden(gateOverridden)
            .build());
    tellStarted(state);
    return ModelState.newBuilder(state)
        .setPickedUp(false)
        .setPhase(phaseOf(job.getKind()))
        .setJobId(job.getJobId())
        .setAttempt(attempt)
        .setFirstAttempt(attempt)
        .setFiredAt(emitter.now()) // the person's time is not the job's
        .setHeardAt(emitter.now())
        .build();
  }

  static Phase phaseOf(JobKind kind) {
    return switch (kind) {
      case ANCHOR -> Phase.ANCHORING;
      case UNLEARN -> Phase.UNLEARNING;
      case RETRAIN -> Phase.RETRAINING;
    };
  }

  /** Of a batch that fires now. */
  ModelState started(ModelState state, JobKind kind, String work) {
    return ModelState.newBuilder(state)
        .setPhase(phaseOf(kind))
        .setBatches(state.getBatches() + 1)
        .setJobId(id(state, work))
        .setAttempt(1)
        .setFirstAttempt(1)
        .setFiredAt(emitter.now())
        .setHeardAt(emitter.now())
        .setPickedUp(false)
        .build();
  }

  /** Tells the requests of the batch that their job has begun. */
  void tellStarted(ModelState state) {
    eachOfBatch(state, task -> emitter.emit(emitter.event(task, RequestEventKind.STARTED)));
  }

  private void eachOfBatch(ModelState state, Consumer<ErasureTask> action) {
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(
            state.getRegistration().getModelId(), state.getFirstTask(), state.getBatchEnd())) {
      tasks.forEachRemaining(entry -> action.accept(entry.value));
    }
  }

  /** When a running job is offered again unless it ends, or gives a sign of life. */
  Instant againAt(ModelState state) {
    Duration patience = state.getPickedUp() ? settings.silence() : settings.jobTimeout();
    return state.getRetryAt().orElseGet(() -> state.getHeardAt().orElseThrow().plus(patience));
  }

  /** Takes a sign of life; several within a short time count as one, and cost one write. */
  ModelState heard(ModelState state) {
    Instant now = emitter.now();
    Duration soon = settings.silence().dividedBy(SIGNS_PER_SILENCE);
    boolean news =
        !state.getPickedUp() || !state.getHeardAt().orElseThrow().plus(soon).isAfter(now);
    return news ? ModelState.newBuilder(state).setPickedUp(true).setHeardAt(now).build() : state;
  }

  /** Offers a lost job, or a failed one after its backoff, once more. */
  ModelState offerAgainIfDue(ModelState state) {
    if (!isRunning(state) || againAt(state).isAfter(emitter.now())) {
      return state;
    }
    int attempt = state.getAttempt() + 1;
    boolean lost = state.getRetryAt().isEmpty();
    int maxAttempts = state.getRegistration().getPolicy().getMaxAttempts();
    if (lost && attempt - state.getFirstAttempt() >= maxAttempts) {
      return stop(state, Phase.PARKED, "no outcome came of any offer");
    }
    offer(
        UnlearningJob.newBuilder(stores.job(state.getRegistration().getModelId()))
            .setAttempt(attempt)
            .build());
    return ModelState.newBuilder(state)
        .setAttempt(attempt)
        .setHeardAt(emitter.now())
        .setPickedUp(false)
        .clearRetryAt()
        .clearOutcome()
        .build();
  }

  /** Without a job. */
  ModelState.Builder ended(ModelState state) {
    stores.deleteJob(state.getRegistration().getModelId());
    return ModelState.newBuilder(state)
        .setPhase(Phase.COLLECTING)
        .clearJobId()
        .clearHeardAt()
        .clearRetryAt()
        .clearOutcome()
        .clearFiredAt()
        .setPickedUp(false)
        .setAttempt(0)
        .setFirstAttempt(1);
  }
}
