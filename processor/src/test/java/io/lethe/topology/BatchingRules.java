package io.lethe.topology;

import io.lethe.state.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.function.Function;

/** What the rules say of one model: what waits, what its job is for, what it has forgotten. */
final class BatchingRules {
  /** A request's samples in the model, or the classes that it must forget whole. */
  record Task(UUID id, Set<String> samples, Set<String> classes, Instant arrivedAt) {
    boolean ofClasses() {
      return !classes.isEmpty();
    }
  }

  private final RegisteredModel registration;
  private final Map<UUID, TrackedRequest> requests;

  private Instant now;
  private Phase phase = Phase.COLLECTING;

  private final JobRules job;

  private final PendingRules tasks = new PendingRules();
  private final ErasedRules memory;

  /** Requests that a release served and that wait for a retraining; when they were then due. */
  private final Map<UUID, Instant> quarantined = new LinkedHashMap<>();

  private final LeadTimeRules unlearning = new LeadTimeRules();
  private final LeadTimeRules retraining = new LeadTimeRules();
  private boolean retrainWanted;

  /** Samples in the sums of a job in whose place the model is trained anew. */
  private int subtractedUnreleased;

  /** Whether requests were taken out of the batch of a job that waits for a person. */
  private boolean withdrawn;

  BatchingRules(
      RegisteredModel registration,
      Instant start,
      Map<UUID, TrackedRequest> requests,
      Function<String, Set<String>> samplesOf) {
    this.registration = registration;
    this.requests = requests;
    memory = new ErasedRules(samplesOf);
    job = new JobRules(registration.targets());
    now = start;
  }

  // What a test compares.

  Phase phase() {
    return phase;
  }

  String dataset() {
    return registration.dataset();
  }

  boolean isLive() {
    return phase != Phase.RETIRED;
  }

  /** Whether the anchor's job has ended, so that there are sums of it. */
  boolean isAnchored() {
    return isLive() && (phase == Phase.COLLECTING || job.kind != Phase.ANCHORING);
  }

  /** They stay while samples are in quarantine, and go with their anchor. */
  boolean hasTargets() {
    return isAnchored() && registration.targets();
  }

  PendingRules tasks() {
    return tasks;
  }

  ErasedRules memory() {
    return memory;
  }

  int quarantined() {
    return quarantined.size();
  }

  JobRules job() {
    return job;
  }

  /** Samples that the sums no longer retain: also of a job whose outcome is yet to come. */
  int subtracted() {
    boolean unreleased = job.summed && job.kind == Phase.UNLEARNING && phase != Phase.COLLECTING;
    return memory.erased()
        + (unreleased ? memory.samples(job.forgets).size() : subtractedUnreleased);
  }

  // Tasks and commands on them.

  void add(Task task) {
    tasks.pending().add(task);
    fire();
  }

  /** Gives a request back unless a job runs with it. */
  boolean cancel(UUID id) {
    return tasks.held().remove(id) != null
        || tasks.aside().remove(id) != null
        || takeOut(id) != null;
  }

  /** Keeps a request back unless a job runs with it. */
  boolean hold(UUID id) {
    Task aside = tasks.aside().remove(id);
    Task task = aside != null ? aside : takeOut(id);
    if (task != null) {
      tasks.held().put(id, task);
    }
    return task != null;
  }

  /** Ends a request's hold. */
  boolean release(UUID id) {
    Task task = tasks.held().remove(id);
    if (task != null) {
      add(task);
    }
    return task != null;
  }

  /**
   * Takes a request out of what no job runs with; null: it is not there. A job that waits for a
   * person does not run, but what is in the sums stays what it was for.
   */
  private Task takeOut(UUID id) {
    boolean ofBatch = isStopped() && !job.summed && tasks.isInBatch(id);
    Task taken = tasks.takeOut(id, ofBatch);
    if (ofBatch) {
      withdrawn = true;
      boolean needed =
          job.kind == Phase.RETRAINING
              && !(memory.erased() == 0 && quarantined.isEmpty() && subtractedUnreleased == 0);
      if (tasks.batch().isEmpty() && !needed) {
        withdrawn = false;
        phase = Phase.COLLECTING;
        fire();
      }
    }
    return taken;
  }

  // When what is done.

  /** Begins with what comes next, once no job runs. */
  private void fire() {
    if (phase == Phase.COLLECTING && !memory.carried().isEmpty()) {
      start(Phase.UNLEARNING, nextCarried());
      return;
    }
    if (phase == Phase.COLLECTING && (retrainWanted || isRetrainingDue()) && canRetrain()) {
      if (retrainWanted) {
        retrainWanted = false;
        tasks.asideWaitsAgain(); // by the person's word only
      }
      tasks.takeAll();
      start(Phase.RETRAINING, memory.known(tasks.batch()));
      return;
    }
    while (phase == Phase.COLLECTING && isBatchDue()) {
      tasks.takeBatch(this::isDue);
      Erased known = memory.known(tasks.batch());
      if (known.isEmpty()) {
        answer(false);
      } else {
        start(Phase.UNLEARNING, known);
      }
    }
  }

  /** What earlier anchors had forgotten: whole classes first, the samples by a job of their own. */
  private Erased nextCarried() {
    Erased next = new Erased();
    next.addAll(memory.carried());
    if (!next.classes.isEmpty()) {
      next.samples.clear();
    }
    return next;
  }

  private boolean isBatchDue() {
    return !tasks.pending().isEmpty()
        && (tasks.pending().size() >= registration.maxRequests()
            || tasks.pending().stream().anyMatch(this::isDue));
  }

  /** Whether the task alone fires a batch: by its age, or by its due date. */
  private boolean isDue(Task task) {
    Duration lead = unlearning.lead();
    if (registration.exact()) {
      lead = lead.plus(retraining.lead()); // which has to fit in too
    }
    Instant byAge = task.arrivedAt().plus(registration.maxAge());
    Instant byDueDate = requests.get(task.id()).dueAt.minus(lead);
    return !byAge.isAfter(now) || !byDueDate.isAfter(now);
  }

  /** An extension after the release does not put it off: to be early is no harm. */
  private boolean isRetrainingDue() {
    Instant latest = now.plus(retraining.lead());
    return quarantined.values().stream().anyMatch(dueAt -> !dueAt.isAfter(latest));
  }

  private void start(Phase kind, Erased forgets) {
    withdrawn = false;
    phase = kind;
    job.start(kind, forgets, now);
    tasks.batch().forEach(task -> requests.get(task.id()).begun());
  }

  private boolean canRetrain() {
    return !(memory.erased() == 0
        && memory.carried().isEmpty()
        && tasks.pending().isEmpty()
        && quarantined.isEmpty()
        && tasks.batch().isEmpty()
        && tasks.aside().isEmpty());
  }

  boolean isRunning() {
    return phase == Phase.UNLEARNING || phase == Phase.ANCHORING || phase == Phase.RETRAINING;
  }

  private boolean isStopped() {
    return phase == Phase.PARKED || isHeld();
  }

  /** Waits for a person who has a model to look at. */
  private boolean isHeld() {
    return phase == Phase.HELD || phase == Phase.ESCALATED;
  }

  // The ends of a job.

  /**
   * A record of a job's update.
   *
   * @param of the number of the job
   */
  void arrives(int of, String record) {
    if (of == job.number && isRunning() && phase != Phase.RETRAINING) {
      job.arrives(record);
      releaseIfWhole();
    }
  }

  /** The outcome of a job that did its work. */
  void released(int of) {
    if (of == job.number && isRunning()) {
      job.reported = true;
      releaseIfWhole();
    }
  }

  private void releaseIfWhole() {
    if (job.isWhole()) {
      release();
    }
  }

  private void release() {
    if (phase == Phase.ANCHORING) {
      phase = Phase.COLLECTING;
      fire();
    } else if (phase == Phase.UNLEARNING) {
      boolean publishes = !memory.samples(job.forgets).isEmpty() || !memory.carried().isEmpty();
      if (publishes) {
        unlearning.learn(job.age(now));
      }
      memory.forget(job.forgets);
      phase = Phase.COLLECTING;
      answer(false);
      fire();
    } else if (phase == Phase.RETRAINING) {
      retraining.learn(job.age(now));
      memory.forget(job.forgets);
      answer(true);
      List.copyOf(quarantined.keySet()).forEach(id -> requests.get(id).exact());
      quarantined.clear();
      memory.exclude();
      anchor();
    }
  }

  private void answer(boolean retrained) {
    for (Task task : tasks.served()) {
      boolean completes = !registration.exact() || retrained || memory.neverKnew(task);
      if (!completes) {
        quarantined.put(task.id(), requests.get(task.id()).dueAt);
      }
      requests.get(task.id()).unlearned(completes);
    }
  }

  /** A job waits for a person. */
  private void stop(Phase next) {
    phase = next;
    job.stop();
  }

  void gateFails() {
    if (isRunning()) {
      stop(Phase.HELD);
    }
  }

  /** The ladder of the job is used up. */
  void escalates() {
    if (phase == Phase.UNLEARNING && registration.retrains() && job.forgets.classes.isEmpty()) {
      retrainInstead();
    } else if (isRunning()) {
      stop(Phase.ESCALATED);
    }
  }

  /** Trains the model anew for the batch of the job. */
  private void retrainInstead() {
    retrainWanted = false;
    if (job.summed) {
      subtractedUnreleased = memory.samples(job.forgets).size();
    }
    withoutWithdrawn();
    Erased same = new Erased();
    same.addAll(job.forgets);
    start(Phase.RETRAINING, same);
  }

  void fails() {
    if (isRunning() && !job.backingOff && job.failsForGood()) {
      stop(Phase.PARKED);
    }
  }

  /** The dataset lacks samples of the job, which cannot be run with the requests that name them. */
  void lacks(Set<String> samples) {
    if (!isRunning() || job.isDone()) {
      return; // another run did the job's work
    }
    List<Task> naming = tasks.naming(samples);
    if (!naming.isEmpty()) {
      naming.forEach(task -> tasks.aside().put(task.id(), task));
      stop(Phase.PARKED);
      naming.forEach(task -> takeOut(task.id()));
      resume(false);
    } else if (!job.backingOff) {
      stop(Phase.PARKED);
    }
  }

  void advance(Duration duration) {
    now = now.plus(duration);
    if (isRunning()) {
      if (job.isLostForGood(now)) {
        stop(Phase.PARKED);
      }
    } else {
      fire();
    }
  }

  // A person's word.

  void retry() {
    tasks.asideWaitsAgain();
    resume(false);
    fire();
  }

  /** Publishes what the gate has held. */
  void releaseHeld() {
    if (isHeld()) {
      resume(true);
    }
  }

  void retrain() {
    if (!isLive() || !canRetrain()) {
      return;
    }
    if (isStopped()) {
      if (job.kind == Phase.UNLEARNING) {
        retrainInstead();
      } else {
        retrainWanted |= job.kind == Phase.ANCHORING;
        resume(false);
      }
    } else if (phase != Phase.RETRAINING) {
      retrainWanted = true;
      fire();
    }
  }

  private void resume(boolean override) {
    if (!isStopped()) {
      return;
    }
    withoutWithdrawn();
    if (job.kind == Phase.UNLEARNING && job.forgets.isEmpty()) {
      phase = Phase.COLLECTING;
      answer(false);
      fire();
      return;
    }
    phase = job.kind;
    job.goOn(override, now);
  }

  /** The job of what is left of its batch. */
  private void withoutWithdrawn() {
    if (withdrawn) {
      withdrawn = false;
      job.narrow(memory.known(tasks.batch()));
    }
  }

  // The model's anchors, and its end.

  /** Registered under another artifact, also after its retirement. */
  void register() {
    memory.carry();
    tasks.asideWaitsAgain();
    tasks.batchWaitsAgain();
    anchor();
  }

  private void anchor() {
    retrainWanted = false;
    subtractedUnreleased = 0;
    start(Phase.ANCHORING, new Erased());
  }

  void retire() {
    if (!isLive()) {
      return;
    }
    List<Task> open = tasks.takeEverything();
    memory.clear();
    retrainWanted = false;
    phase = Phase.RETIRED;
    List.copyOf(quarantined.keySet()).forEach(id -> requests.get(id).retired());
    quarantined.clear();
    open.forEach(task -> requests.get(task.id()).retired());
  }
}
