package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelRegistered;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
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

  private final BatchingSettings settings;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;

  Jobs(BatchingSettings settings, BatchingStores stores, BatchingEmitter emitter) {
    this.settings = settings;
    this.stores = stores;
    this.emitter = emitter;
  }

  static UUID id(String modelId, String anchorId, String work) {
    String name = String.join("\u0000", modelId, anchorId, work);
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }

  static boolean isRunning(ModelState state) {
    return state.getPhase() == Phase.ANCHORING || state.getPhase() == Phase.UNLEARNING;
  }

  static boolean isInFlight(ModelState state, UUID jobId) {
    return isRunning(state) && state.getJobId().filter(jobId::equals).isPresent();
  }

  /** Offers the state's job for the first time. */
  void offer(
      ModelState state, JobKind kind, List<String> samples, List<String> erased, int requests) {
    ModelRegistered model = state.getRegistration();
    offer(
        UnlearningJob.newBuilder()
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
            .setCreatedAt(emitter.now())
            .build());
  }

  private void offer(UnlearningJob job) {
    stores.putJob(job);
    emitter.emit(job);
  }

  ModelState retryOrPark(ModelState state, JobOutcome outcome) {
    if (outcome.getAttempt() < state.getAttempt() || state.getRetryAt().isPresent()) {
      return state; // of an earlier offer: a newer one is under way
    }
    int maxAttempts = state.getRegistration().getPolicy().getMaxAttempts();
    if (!outcome.getRetryable() || state.getAttempt() >= maxAttempts) {
      return park(state, outcome.getError().orElse("unknown"));
    }
    int doublings = Math.min(state.getAttempt() - 1, MAX_BACKOFF_DOUBLINGS);
    Instant retryAt = emitter.now().plus(settings.retryBackoff().multipliedBy(1L << doublings));
    return ModelState.newBuilder(state).setRetryAt(retryAt).build();
  }

  ModelState park(ModelState state, String reason) {
    log.error(
        "batch parked, its requests are kept modelId={} jobId={} reason={}",
        state.getRegistration().getModelId(),
        state.getJobId().orElseThrow(),
        reason);
    return ModelState.newBuilder(state).setPhase(Phase.PARKED).clearRetryAt().build();
  }

  /** When a running job is offered again unless it ends. */
  Instant againAt(ModelState state) {
    return state
        .getRetryAt()
        .orElseGet(() -> state.getHeardAt().orElseThrow().plus(settings.jobTimeout()));
  }

  /** Offers a lost job, or a failed one after its backoff, once more. */
  ModelState offerAgainIfDue(ModelState state) {
    if (!isRunning(state) || againAt(state).isAfter(emitter.now())) {
      return state;
    }
    int attempt = state.getAttempt() + 1;
    offer(
        UnlearningJob.newBuilder(stores.job(state.getRegistration().getModelId()))
            .setAttempt(attempt)
            .build());
    return ModelState.newBuilder(state)
        .setAttempt(attempt)
        .setHeardAt(emitter.now())
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
        .setAttempt(0);
  }
}
