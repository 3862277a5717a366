package io.lethe.batching;

import io.lethe.events.FisherChunk;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutKey;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestCommand;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.streams.TracedContext;
import io.lethe.topics.Registrations;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.Optional;
import java.util.UUID;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The state machine of the models of one partition.
 *
 * <pre>
 *             registered          snapshot whole and outcome RELEASE
 *   (none) ───────────► ANCHORING ───────────► COLLECTING ◄────────────┐
 *                         ▲ │ ▲                │   │ batch fires       │ update whole and
 *       another artifact  │ │ │ RELEASE        │   ▼                   │ outcome RELEASE
 *       (from anywhere) ──┘ │ RETRAINING ◄─────┘ UNLEARNING ───────────┘
 *                           │   │   ▲    due       │    ▲
 *                           │   │   └── ESCALATE ──┤    │
 *                  failed   ▼   ▼     failed, gate ▼    │ a person's command
 *                      PARKED, HELD            PARKED, HELD, ESCALATED
 *
 *   tombstone (from anywhere) ──► RETIRED
 * </pre>
 *
 * <p>One job is in flight per model. Tasks that arrive meanwhile wait for the next batch. Nothing
 * is lost where a person is waited for: the batch keeps its tasks.
 */
final class Batching {
  private static final int MODELS_PER_TICK = 1_000;

  /** Half of the default tick, so that records get as much. */
  private static final Duration TICK_TIME = Duration.ofMillis(500);

  private static final Logger log = LoggerFactory.getLogger(Batching.class);

  private final TracedContext<String, BatchingOutput> context;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;
  private final SetAside setAside;
  private final Jobs jobs;
  private final Answers answers;
  private final Batches batches;
  private final Retrainings retrainings;
  private final Releases releases;
  private final Anchors anchors;

  Batching(
      BatchingSettings settings,
      UnaryOperator<ModelVersion> attestor,
      TracedContext<String, BatchingOutput> context) {
    this.context = context;
    stores = new BatchingStores(context);
    emitter = new BatchingEmitter(context);
    pending = new PendingTasks(stores, emitter);
    setAside = new SetAside(stores, emitter, pending);
    jobs = new Jobs(settings, stores, emitter);
    answers = new Answers(stores, emitter);
    batches = new Batches(settings, stores, emitter, pending, jobs, answers);
    retrainings = new Retrainings(settings, emitter, batches, jobs, setAside);
    anchors = new Anchors(stores, emitter, pending, jobs, answers, setAside);
    releases = new Releases(attestor, stores, emitter, jobs, answers, anchors);
  }

  /** Registers a model, changes the policy of a registered one, or retires it. */
  void onModel(String modelId, Optional<ModelRegistered> value) {
    ModelState known = stores.model(modelId);
    boolean there = known != null && known.getPhase() != Phase.RETIRED;
    if (value.isEmpty()) {
      if (there) {
        put(anchors.retired(known));
      } else if (known == null) {
        retireEarly(modelId);
      }
      return;
    }
    ModelRegistered registration = value.get();
    Registrations.objection(modelId, registration)
        .ifPresent(
            objection -> {
              throw new InvalidModelException(objection);
            });
    if (there && known.getAwaitingExact() > 0 && registration.getRecipe().isEmpty()) {
      throw new InvalidModelException(
          "requests wait for this model to be trained anew: that takes a recipe");
    }
    if (known == null) {
      put(takeEarly(anchors.first(registration)));
    } else if (!there) {
      put(anchors.next(known, registration));
    } else if (!known.getRegistration().getDatasetId().equals(registration.getDatasetId())) {
      throw new InvalidModelException(
          "modelId is taken by a model of another dataset: retire that or take another modelId");
    } else if (!known
        .getRegistration()
        .getArtifactSha256()
        .equals(registration.getArtifactSha256())) {
      put(anchors.next(known, registration));
    } else {
      put(goOn(anchors.described(known, registration)));
    }
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
      put(goOn(take(state, task)));
    }
  }

  private ModelState take(ModelState state, ErasureTask task) {
    if (task.getCommand() != RequestCommand.ERASE) {
      return jobs.endedIfWithdrawn(pending.command(state, task));
    }
    if (state.getPhase() == Phase.RETIRED) {
      answers.retired(task); // intake had not heard of it yet
      return state;
    }
    return pending.add(state, task);
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

  /** Answers what waited for a model that will not come. */
  private void retireEarly(String modelId) {
    try (KeyValueIterator<Bytes, ErasureTask> early = stores.early(modelId)) {
      while (early.hasNext()) {
        var entry = early.next();
        if (entry.value.getCommand() == RequestCommand.ERASE) {
          answers.retired(entry.value);
        } else {
          pending.refuse(entry.value);
        }
        stores.deleteEarly(entry.key);
      }
    }
  }

  /** Takes the end of a job. */
  void onOutcome(JobOutcome outcome) {
    ModelState state = stores.model(outcome.getModelId());
    if (state == null) {
      return;
    }
    boolean inFlight = Jobs.isInFlight(state, outcome.getJobId());
    if (inFlight && outcome.getVerdict() == Verdict.RELEASE) {
      Releases.requireWhole(outcome, stores.job(outcome.getModelId()).getKind());
    }
    releases.remember(outcome);
    boolean superseded = outcome.getAttempt() < state.getAttempt();
    if (!inFlight || (superseded && outcome.getVerdict() != Verdict.RELEASE)) {
      // A second delivery, one that another run was faster than, or the end of an earlier offer
      // where a newer one is under way.
      return;
    }
    releases.rememberAnchor(state, outcome);
    ModelState next =
        switch (outcome.getVerdict()) {
          case RELEASE ->
              releases.completeIfWhole(ModelState.newBuilder(state).setOutcome(outcome).build());
          case HOLD ->
              jobs.hold(
                  state, Phase.HELD, outcome, outcome.getError().orElse("the gate did not hold"));
          case ESCALATE ->
              state.getPhase() == Phase.UNLEARNING
                      && Retrainings.isRung(state, stores.job(outcome.getModelId()))
                  ? retrainings.instead(state)
                  : jobs.hold(state, Phase.ESCALATED, outcome, "the ladder is used up");
          case FAILED -> failed(state, outcome);
        };
    put(goOn(next));
  }

  /** Goes on at once without the requests that the job cannot be run with, if it names any. */
  private ModelState failed(ModelState state, JobOutcome outcome) {
    if (!outcome.getUnknownSampleIds().isEmpty() && isDone(state)) {
      return state;
    }
    ModelState left = setAside.without(state, outcome.getUnknownSampleIds());
    if (left == state) {
      return jobs.retryOrStop(state, outcome);
    }
    ModelState waiting =
        jobs.endedIfWithdrawn(
            ModelState.newBuilder(left)
                .setPhase(Phase.PARKED)
                .clearRetryAt()
                .clearOutcome()
                .build());
    return Jobs.waitsForPerson(waiting) ? resume(waiting, false) : waiting;
  }

  /** Whether another run of the job did its work: its outcome or its update is yet to come. */
  private boolean isDone(ModelState state) {
    return state.getOutcome().isPresent() || stores.isSummed(state, state.getJobId().orElseThrow());
  }

  /** Takes a person's word: on a job that waits for one, or to train the model anew. */
  void onCommand(ModelCommand command) {
    ModelState state = stores.model(command.getModelId());
    if (command.getCommand() == ModelCommandKind.RETRAIN) {
      put(goOn(retrain(state)));
      return;
    }
    boolean waits =
        state != null
            && isMeant(state, command)
            && switch (state.getPhase()) {
              case PARKED -> command.getCommand() == ModelCommandKind.RETRY;
              case HELD, ESCALATED -> command.getCommand() != ModelCommandKind.UNKNOWN;
              case ANCHORING, COLLECTING, UNLEARNING, RETRAINING, RETIRED -> false;
            };
    boolean ofAll = command.getCommand() == ModelCommandKind.RETRY && command.getJobId().isEmpty();
    boolean asideWait = state != null && ofAll && state.getRequestsSetAside() > 0;
    if (!waits && !asideWait) {
      throw new InvalidModelException(
          "the model has no job that waits for this command, and no request that is set aside");
    }
    log.info(
        "a person goes on modelId={} jobId={} command={}",
        command.getModelId(),
        state.getJobId().map(UUID::toString).orElse("-"),
        command.getCommand());
    ModelState next = asideWait ? setAside.again(state) : state;
    put(goOn(waits ? resume(next, command.getCommand() == ModelCommandKind.RELEASE) : next));
  }

  private static boolean isMeant(ModelState state, ModelCommand command) {
    return command.getJobId().isEmpty() || command.getJobId().equals(state.getJobId());
  }

  private ModelState resume(ModelState state, boolean gateOverridden) {
    UnlearningJob waiting = jobs.waiting(state);
    boolean nothingLeft =
        waiting.getKind() == JobKind.UNLEARN
            && waiting.getSampleIds().isEmpty()
            && waiting.getClasses().isEmpty();
    if (nothingLeft) {
      return answers.byCurrentVersion(jobs.ended(state).build()); // erased by earlier batches
    }
    if (gateOverridden) {
      return jobs.resume(state, Jobs.released(state, waiting), true);
    }
    return anchors.isNeeded(state, waiting)
        ? jobs.resume(state, anchors.again(state, waiting), false)
        : jobs.ended(state).build();
  }

  private ModelState retrain(ModelState state) {
    if (state == null || state.getPhase() == Phase.RETIRED || !Retrainings.isPossible(state)) {
      throw new InvalidModelException(
          "the model has no recipe to be trained anew by, or nothing was erased from it");
    }
    if (state.getPhase() == Phase.RETRAINING) {
      return state;
    }
    ModelState wanted = ModelState.newBuilder(state).setRetrainWanted(true).build();
    if (!Jobs.waitsForPerson(state)) {
      return wanted;
    }
    return switch (stores.job(state.getRegistration().getModelId()).getKind()) {
      case UNLEARN -> retrainings.instead(state);
      case RETRAIN -> resume(state, false);
      case ANCHOR -> resume(wanted, false); // the retraining needs the anchor first
    };
  }

  /** Takes a sign of life of a job. */
  void onProgress(JobProgress progress) {
    ModelState state = stores.model(progress.getModelId());
    if (state != null && Jobs.isInFlight(state, progress.getJobId())) {
      put(jobs.heard(state));
    }
  }

  /** Takes a piece of held-out targets; once it is here the topic need not keep it. */
  void onHeldOut(HeldOutKey key, Optional<HeldOutChunk> value) {
    if (value.isEmpty()) {
      return;
    }
    emitter.retract(key);
    HeldOutChunk chunk = value.get();
    ModelState state = stores.model(chunk.getModelId());
    if (state == null
        || !state.getAnchorId().equals(chunk.getAnchorId())
        || !Jobs.isInFlight(state, chunk.getJobId())) {
      return; // of an anchor that is no longer the model's, or of a job that has ended
    }
    switch (stores.heldOut().apply(chunk)) {
      case APPLIED -> put(goOn(releases.completeIfWhole(state)));
      case INCOMPLETE ->
          log.error(
              "held-out targets arrived incomplete; their job will be offered again modelId={} jobId={}",
              chunk.getModelId(),
              chunk.getJobId());
      case STAGED, DUPLICATE -> {}
    }
  }

  /** Takes a piece of a Fisher update. */
  void onFisher(FisherChunk chunk) {
    ModelState state = stores.model(chunk.getModelId());
    if (state == null
        || !state.getAnchorId().equals(chunk.getAnchorId())
        || !Jobs.isInFlight(state, chunk.getJobId())) {
      return; // of an anchor that is no longer the model's, or of a job that has ended
    }
    switch (stores.fisher().apply(chunk)) {
      case APPLIED -> put(goOn(releases.completeIfWhole(state)));
      case INCOMPLETE ->
          log.error(
              "a Fisher update arrived incomplete; its job will be offered again modelId={} jobId={}",
              chunk.getModelId(),
              chunk.getJobId());
      case STAGED, DUPLICATE -> {}
    }
  }

  /** Lets the events of the last step out; to be called after each. */
  void tell() {
    emitter.flush();
  }

  /**
   * Fires what is old enough and offers lost and failed jobs again. What a tick does not come to is
   * first in the next: all of it belongs to one transaction, which must end in time however much
   * has become due at once.
   */
  void onTick() {
    Instant began = emitter.now();
    for (String modelId : stores.due(began, MODELS_PER_TICK)) {
      put(jobs.offerAgainIfDue(goOn(stores.model(modelId))));
      if (emitter.now().isAfter(began.plus(TICK_TIME))) {
        return;
      }
    }
  }

  /**
   * Begins with what the model has to do next, once no job runs: whole targets, what earlier
   * anchors had forgotten, a retraining, the batch that waits.
   */
  private ModelState goOn(ModelState state) {
    if (state.getPhase() != Phase.COLLECTING) {
      return state;
    }
    if (anchors.wantsTargets(state)) {
      return anchors.targets(state);
    }
    if (state.getCarriedSamples() > 0 || state.getCarriedClasses() > 0) {
      return batches.fireCarried(state);
    }
    return retrainings.isDue(state) ? retrainings.fire(state) : batches.fireIfDue(state);
  }

  private void put(ModelState state) {
    stores.put(state, deadline(state));
  }

  /** When the clock has to look at the model if nothing arrives before. */
  private Optional<Instant> deadline(ModelState state) {
    if (Jobs.isRunning(state)) {
      return Optional.of(jobs.againAt(state));
    }
    if (state.getPhase() != Phase.COLLECTING) {
      return Optional.empty();
    }
    return Stream.concat(
            retrainings.dueAt(state).stream(),
            state.getPendingRequests() > 0 ? Stream.of(batches.firesAt(state)) : Stream.empty())
        .min(Comparator.naturalOrder());
  }
}
