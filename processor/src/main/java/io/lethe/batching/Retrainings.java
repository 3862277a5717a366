package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.time.Instant;
import java.util.Optional;

/**
 * When a model is trained anew, by its recipe, without all that was erased: before the nearest due
 * date of the requests that only that completes, when too much was erased or lost since the anchor,
 * when a person asks, or when the ladder of a batch is used up. It serves all requests since the
 * anchor at once, and those that wait.
 */
final class Retrainings {
  /** The rung of a ladder that trains the model anew. */
  static final String RUNG = "retrain";

  private final BatchingSettings settings;
  private final BatchingEmitter emitter;
  private final Batches batches;
  private final Jobs jobs;
  private final SetAside setAside;

  Retrainings(
      BatchingSettings settings,
      BatchingEmitter emitter,
      Batches batches,
      Jobs jobs,
      SetAside setAside) {
    this.settings = settings;
    this.emitter = emitter;
    this.batches = batches;
    this.jobs = jobs;
    this.setAside = setAside;
  }

  /** When a retraining is due if nothing more arrives; empty where no request waits for one. */
  Optional<Instant> dueAt(ModelState state) {
    return state
        .getExactDueAt()
        .map(at -> at.minus(LeadTime.ofRetraining(state, settings)))
        .filter(at -> isPossible(state));
  }

  boolean isDue(ModelState state) {
    if (state.getPhase() != Phase.COLLECTING || !isPossible(state)) {
      return false;
    }
    return state.getRetrainWanted()
        || dueAt(state).filter(at -> !at.isAfter(emitter.now())).isPresent()
        || isEroded(state);
  }

  private static boolean isEroded(ModelState state) {
    var policy = state.getRegistration().getPolicy();
    int erased = state.getErasedSamples();
    return erased > 0
        && (erased > policy.getMaxErasedShare() * state.getTrainingSamples()
            || state.getErosion() > policy.getMaxErosion());
  }

  /** Whether there is a recipe, and anything that the model is to be trained without. */
  static boolean isPossible(ModelState state) {
    return state.getRegistration().getRecipe().isPresent()
        && (state.getErasedSamples() > 0
            || state.getCarriedSamples() > 0
            || state.getCarriedClasses() > 0
            || state.getPendingRequests() > 0
            || state.getAwaitingExact() > 0
            || state.getRequestsSetAside() > 0
            || state.getBatchEnd() > state.getFirstTask());
  }

  /**
   * Trains the model anew; what waits is served too, as far as one job takes it. What was set aside
   * is so only by a person's word: that the model then never saw those samples is true, that it
   * forgot the data subject is for a person to say.
   */
  ModelState fire(ModelState state) {
    ModelState waiting = state.getRetrainWanted() ? setAside.again(state) : state;
    Batches.Batch batch = batches.take(waiting, true);
    ModelState retraining = started(batch.state());
    jobs.offer(batches.job(retraining, JobKind.RETRAIN, batch));
    jobs.tellStarted(retraining);
    return retraining;
  }

  /** Trains the model anew instead of the job that failed its gate or waits for a person. */
  ModelState instead(ModelState state) {
    UnlearningJob before = jobs.waiting(state);
    ModelState retraining = started(state);
    jobs.offer(
        jobs.job(retraining, JobKind.RETRAIN)
            .setSampleIds(before.getSampleIds())
            .setClasses(before.getClasses())
            .setRequests(before.getRequests())
            .setCarriedOver(before.getCarriedOver())
            .setTrace(before.getTrace().orElse(null))
            .build());
    jobs.tellStarted(retraining);
    return retraining;
  }

  private ModelState started(ModelState state) {
    return jobs.started(
        ModelState.newBuilder(state).setRetrainWanted(false).clearRetryAt().clearOutcome().build(),
        JobKind.RETRAIN,
        RUNG + "/" + state.getBatches());
  }

  /** Whether the ladder of the job's batch ends with a retraining that can be run. */
  static boolean isRung(ModelState state, UnlearningJob job) {
    var policy = state.getRegistration().getPolicy();
    var ladder = job.getClasses().isEmpty() ? policy.getLadder() : policy.getClassLadder();
    return state.getRegistration().getRecipe().isPresent() && ladder.contains(RUNG);
  }
}
