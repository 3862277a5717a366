package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * A model's first anchor, its next, and its end. Sequence numbers and versions go on through all of
 * them, so that no two jobs and no two versions of a model share a name.
 *
 * <p>An anchor is ready when its Fisher sums are whole and, where the policy's ladder wants them
 * and the model can have them, its held-out targets too.
 */
final class Anchors {
  /** Where targets come from that the model's recipe makes. */
  private static final String BY_RECIPE = "recipe";

  private static final String TARGETED = "heldout-match";

  /** Goes toward targets where its parameters say so. */
  private static final String REPAIRED = "deepclean";

  private static final int LEAST_FOLDS = 2;

  private static final Pattern STORED =
      Pattern.compile(".*/sha256/[0-9a-f]{2}/([0-9a-f]{64})(?:\\.[A-Za-z0-9]+)?");

  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;
  private final Jobs jobs;
  private final Answers answers;
  private final SetAside setAside;

  Anchors(
      BatchingStores stores,
      BatchingEmitter emitter,
      PendingTasks pending,
      Jobs jobs,
      Answers answers,
      SetAside setAside) {
    this.stores = stores;
    this.emitter = emitter;
    this.pending = pending;
    this.jobs = jobs;
    this.answers = answers;
    this.setAside = setAside;
  }

  /** The first anchor of a model. */
  ModelState first(ModelRegistered registration) {
    stores.artifacts(registration.getModelId()).add(registration.getArtifactSha256(), 0);
    return anchoring(
        ModelState.newBuilder()
            .setRegistration(registration)
            .setPhase(Phase.ANCHORING)
            .setAnchorId(registration.getArtifactSha256())
            .setAnchorUri(registration.getArtifactUri())
            .setServedUri(registration.getArtifactUri())
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
            .setAttempt(1)
            .setRung(0)
            .setAnchorings(0)
            .build());
  }

  /** Another description of the same artifact, which may lie elsewhere now. */
  ModelState described(ModelState state, ModelRegistered registration) {
    ModelState.Builder described = ModelState.newBuilder(state).setRegistration(registration);
    return isTrainedHere(state)
        ? described.build()
        : described.setAnchorUri(registration.getArtifactUri()).build();
  }

  /**
   * Another artifact under the same name: a new anchor. The old sums and targets are deleted.
   * Samples that were erased before are set aside and forgotten by the new one before anything
   * else; the batch of the job that ran waits again, and what was set aside.
   */
  ModelState next(ModelState state, ModelRegistered registration) {
    String modelId = registration.getModelId();
    stores.deleteAnchor(modelId, state.getAnchorId());
    if (isTrainedHere(state)) {
      stores.addObsolete(modelId, state.getAnchorUri(), Jobs.id(state, "anchor"));
    }
    int carried = state.getCarriedSamples() + stores.carry(modelId, state.getAnchorId());
    int carriedClasses = state.getCarriedClasses() + stores.classes(modelId).carry();
    // A state that was written before these were kept: its artifacts may know all that was erased.
    KnownArtifacts artifacts = stores.artifacts(modelId);
    if (!artifacts.isKnown(state.getRegistration().getArtifactSha256())) {
      stores.obsolete(modelId).stream()
          .flatMap(uri -> digest(uri).stream())
          .forEach(sha -> artifacts.add(sha, 0));
    }
    artifacts.add(state.getRegistration().getArtifactSha256(), 0);
    boolean unknown = state.getErasedBy() == 0 && carried + carriedClasses > 0;
    artifacts.add(registration.getArtifactSha256(), state.getVersion());
    return anchoring(
        ModelState.newBuilder(waitingAgain(setAside.again(state)))
            .setRegistration(registration)
            .setAnchorId(registration.getArtifactSha256())
            .setAnchorUri(registration.getArtifactUri())
            .setServedUri(served(state))
            .setArtifactSha256(registration.getArtifactSha256())
            .setVersionAt(registration.getRegisteredAt())
            .setErasedBy(unknown ? state.getVersion() : state.getErasedBy())
            .setCarriedSamples(carried)
            .setCarriedClasses(carriedClasses)
            .setExcludedSamples(0)
            .setHeldoutSpent(List.of())
            .build());
  }

  /**
   * The digest by which an artifact store names what lies there; of another place none is known.
   */
  private static Optional<String> digest(String artifactUri) {
    Matcher stored = STORED.matcher(artifactUri);
    return stored.matches() ? Optional.of(stored.group(1)) : Optional.empty();
  }

  /**
   * What serving systems have until the next release, however many artifacts are registered before
   * it: each of them has yet to forget what was erased.
   */
  private static String served(ModelState state) {
    if (!state.getServedUri().isEmpty()) {
      return state.getServedUri();
    }
    return state.getArtifactUri().isEmpty() ? state.getAnchorUri() : state.getArtifactUri();
  }

  /** Whether the anchor is one that a retraining has made, not the artifact of the registration. */
  private static boolean isTrainedHere(ModelState state) {
    return !state.getAnchorId().equals(state.getRegistration().getArtifactSha256());
  }

  /**
   * A version that was trained without all that was erased: a new anchor. The old sums and targets
   * are deleted, and with the job of the new anchor the models that knew what was erased.
   */
  ModelState trained(ModelState state, ModelVersion version) {
    String modelId = version.getModelId();
    stores.deleteAnchor(modelId, state.getAnchorId());
    int excluded = state.getExcludedSamples() + stores.exclude(modelId, state.getAnchorId());
    stores.classes(modelId).exclude();
    stores.addObsolete(modelId, state.getAnchorUri(), version.getJobId());
    return anchoring(
        ModelState.newBuilder(state)
            .setAnchorId(version.getArtifactSha256())
            .setAnchorUri(version.getArtifactUri())
            .setCarriedSamples(0)
            .setCarriedClasses(0)
            .setExcludedSamples(excluded)
            .setHeldoutSpent(spent(state))
            .build());
  }

  /** Predictions of models that knew what was erased, with those that are registered now. */
  private static List<String> spent(ModelState state) {
    return Stream.concat(
            state.getHeldoutSpent().stream(), state.getRegistration().getHeldoutSha256().stream())
        .distinct()
        .toList();
  }

  /** Digest of the team's own predictions, unless they are older than the last retraining. */
  private static Optional<String> ownPredictions(ModelState state) {
    return state
        .getRegistration()
        .getHeldoutSha256()
        .filter(digest -> !state.getHeldoutSpent().contains(digest));
  }

  private ModelState waitingAgain(ModelState state) {
    int requests = 0;
    long samples = 0;
    try (KeyValueIterator<Bytes, ErasureTask> tasks = all(state)) {
      while (tasks.hasNext()) {
        requests++;
        samples += tasks.next().value.getSampleIds().size();
      }
    }
    return pending.rescanned(
        ModelState.newBuilder(state)
            .setBatchEnd(state.getFirstTask())
            .setPendingRequests(requests)
            .setPendingSamples(samples)
            .build());
  }

  /**
   * Begins with the state's anchor, of which nothing is known yet. What is served stays meanwhile;
   * other models that are obsolete are deleted.
   */
  private ModelState anchoring(ModelState state) {
    ModelState anchoring =
        jobs.ended(state)
            .setPhase(Phase.ANCHORING)
            .setAnchorings(state.getAnchorings() + 1)
            .setArtifactUri("")
            .setTargetsOf("")
            .setTrainingSamples(0)
            .setErasedSamples(0)
            .setErosion(0.0)
            .setRetrainWanted(false)
            .setBatches(0)
            .setAttempt(1)
            .setHeardAt(emitter.now())
            .build();
    ModelState named =
        ModelState.newBuilder(anchoring).setJobId(Jobs.id(anchoring, "anchor")).build();
    String modelId = state.getRegistration().getModelId();
    // It may have been held, or the anchor of an earlier time: now it is what all begins with.
    stores.deleteObsolete(modelId, state.getAnchorUri());
    List<String> obsolete =
        stores.obsolete(modelId).stream().filter(uri -> !uri.equals(state.getServedUri())).toList();
    jobs.offer(job(named).setFisher(true).setObsoleteArtifacts(obsolete).build());
    return named;
  }

  private UnlearningJob.Builder job(ModelState state) {
    return targeted(jobs.job(state, JobKind.ANCHOR), state);
  }

  /** An ANCHOR job with the targets that it is to take. */
  private static UnlearningJob.Builder targeted(UnlearningJob.Builder job, ModelState state) {
    Optional<String> own = ownPredictions(state);
    return job.setHeldout(!wantedTargets(state).isEmpty())
        .setHeldoutUri(own.flatMap(sha -> state.getRegistration().getHeldoutUri()).orElse(null))
        .setHeldoutSha256(own.orElse(null));
  }

  /** A job that waits for a person, for another try by what the registration says now. */
  UnlearningJob again(ModelState state, UnlearningJob waiting) {
    return jobs.again(
        state,
        waiting,
        job ->
            job.getKind() == JobKind.ANCHOR
                ? targeted(UnlearningJob.newBuilder(job), state).build()
                : job);
  }

  /** False of a job for targets only that the registration no longer wants, or are there. */
  boolean isNeeded(ModelState state, UnlearningJob waiting) {
    return waiting.getKind() != JobKind.ANCHOR || waiting.getFisher() || wantsTargets(state);
  }

  /** Whether targets are to be had that the stores have not. */
  boolean wantsTargets(ModelState state) {
    String wanted = wantedTargets(state);
    return !wanted.isEmpty() && !wanted.equals(state.getTargetsOf());
  }

  /** Begins with targets for an anchor whose sums are there. */
  ModelState targets(ModelState state) {
    ModelState anchoring =
        jobs.started(
            ModelState.newBuilder(state).setBatchEnd(state.getFirstTask()).build(),
            JobKind.ANCHOR,
            "targets/" + state.getBatches());
    jobs.offer(job(anchoring).setFisher(false).build());
    return anchoring;
  }

  /** By its record or by its text, which is read by the worker alone: a word of it is enough. */
  private static boolean repairsTowardTargets(UnlearningPolicy policy) {
    String text = policy.getMethodParameters().getOrDefault(REPAIRED, "");
    return policy.getDeepclean().getTowardTargets() || text.contains("towardTargets");
  }

  private static String wantedTargets(ModelState state) {
    ModelRegistered registration = state.getRegistration();
    var policy = registration.getPolicy();
    boolean used =
        policy.getLadder().contains(TARGETED)
            || (policy.getLadder().contains(REPAIRED) && repairsTowardTargets(policy));
    if (!used) {
      return "";
    }
    boolean crossFitted = registration.getRecipe().isPresent() && policy.getFolds() >= LEAST_FOLDS;
    return ownPredictions(state).orElse(crossFitted ? BY_RECIPE : "");
  }

  /** All that the job was to compute is in the stores. */
  ModelState completed(ModelState state, UnlearningJob job) {
    ModelState.Builder next = jobs.ended(state);
    if (job.getFisher()) {
      var sums = stores.fisher().state(job.getModelId(), job.getAnchorId()).orElseThrow();
      job.getObsoleteArtifacts().forEach(uri -> stores.deleteObsolete(job.getModelId(), uri));
      next.setTrainingSamples(sums.getRetainedSamples());
    }
    if (job.getHeldout()) {
      next.setTargetsOf(job.getHeldoutSha256().orElse(BY_RECIPE));
    }
    return next.build();
  }

  /**
   * The model is no longer there: its requests are told so, and everything that is known of data
   * subjects, erased samples, sums and targets is deleted. What stays is its name and its counters.
   */
  ModelState retired(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    try (KeyValueIterator<Bytes, ErasureTask> tasks = all(state)) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        answers.retired(entry.value);
        stores.deleteTask(BatchingStores.sequence(entry.key), entry.value);
      }
    }
    try (KeyValueIterator<String, ErasureTask> held = stores.allHeld(modelId)) {
      while (held.hasNext()) {
        ErasureTask task = held.next().value;
        answers.retired(task);
        stores.deleteHeld(task);
      }
    }
    stores.deleteAnchor(modelId, state.getAnchorId());
    stores.deleteErased(modelId);
    return jobs.ended(answers.retired(state))
        .setPhase(Phase.RETIRED)
        .setTrainingSamples(0)
        .setErasedSamples(0)
        .setCarriedSamples(0)
        .setCarriedClasses(0)
        .setExcludedSamples(0)
        .setTargetsOf("")
        .setRetrainWanted(false)
        .setFirstTask(state.getNextTask())
        .setBatchEnd(state.getNextTask())
        .setPendingRequests(0)
        .setPendingSamples(0)
        .setRequestsSetAside(0)
        .clearOldestPendingAt()
        .clearNearestDueAt()
        .build();
  }

  private KeyValueIterator<Bytes, ErasureTask> all(ModelState state) {
    return stores.tasks(
        state.getRegistration().getModelId(), state.getFirstTask(), state.getNextTask());
  }
}
