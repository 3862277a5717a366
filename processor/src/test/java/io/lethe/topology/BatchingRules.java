package io.lethe.topology;

import io.lethe.state.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
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

  /** What the model's dataset has of a class. */
  private final Function<String, Set<String>> samplesOf;

  private Instant now;
  private Phase phase = Phase.COLLECTING;

  private final JobRules job;

  private List<Task> pending = new ArrayList<>();
  private List<Task> batch = new ArrayList<>();

  /** Under a legal hold. */
  private final Map<UUID, Task> held = new LinkedHashMap<>();

  /** Name samples that the dataset lacks. */
  private final Map<UUID, Task> aside = new LinkedHashMap<>();

  /** Requests that a release served and that wait for a retraining; when they were then due. */
  private final Map<UUID, Instant> quarantined = new LinkedHashMap<>();

  /** Forgotten since the anchor. */
  private final Erased erased = new Erased();

  /** What the anchor was trained without. */
  private final Erased excluded = new Erased();

  /** Erased under earlier anchors, to be forgotten by this one first. */
  private final Erased carried = new Erased();

  private final LeadTimeRules unlearning = new LeadTimeRules();
  private final LeadTimeRules retraining = new LeadTimeRules();
  private boolean retrainWanted;

  /** Whether requests were taken out of the batch of a job that waits for a person. */
  private boolean withdrawn;

  BatchingRules(
      RegisteredModel registration,
      Instant start,
      Map<UUID, TrackedRequest> requests,
      Function<String, Set<String>> samplesOf) {
    this.registration = registration;
    this.requests = requests;
    this.samplesOf = samplesOf;
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

  int pendingRequests() {
    return pending.size();
  }

  int pendingSamples() {
    return pending.stream().mapToInt(task -> task.samples().size()).sum();
  }

  boolean hasSetAside(UUID id) {
    return aside.containsKey(id);
  }

  int setAside() {
    return aside.size();
  }

  int quarantined() {
    return quarantined.size();
  }

  JobRules job() {
    return job;
  }

  int erased() {
    return erased.samples.size();
  }

  /** Samples that the sums no longer retain: also of a job whose outcome is yet to come. */
  int subtracted() {
    Set<String> samples = new TreeSet<>(erased.samples);
    if (job.summed && job.kind == Phase.UNLEARNING) {
      samples.addAll(job.forgets.samples);
      job.forgets.classes.forEach(label -> samples.addAll(resolved(label)));
    }
    return samples.size();
  }

  int excluded() {
    return excluded.samples.size();
  }

  /** What the worker finds of a class. */
  Set<String> resolved(String label) {
    Set<String> samples = new TreeSet<>(samplesOf.apply(label));
    samples.removeAll(erased.samples);
    samples.removeAll(excluded.samples);
    return samples;
  }

  // Tasks and commands on them.

  void add(Task task) {
    pending.add(task);
    fire();
  }

  /** Gives a request back unless a job runs with it. */
  boolean cancel(UUID id) {
    return held.remove(id) != null || aside.remove(id) != null || takeOut(id) != null;
  }

  /** Keeps a request back unless a job runs with it. */
  boolean hold(UUID id) {
    Task setAside = aside.remove(id);
    Task task = setAside != null ? setAside : takeOut(id);
    if (task != null) {
      held.put(id, task);
    }
    return task != null;
  }

  /** Ends a request's hold. */
  boolean release(UUID id) {
    Task task = held.remove(id);
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
    boolean ofBatch =
        isStopped() && !job.summed && batch.stream().anyMatch(task -> task.id().equals(id));
    List<Task> from = ofBatch ? batch : pending;
    Task taken = from.stream().filter(task -> task.id().equals(id)).findFirst().orElse(null);
    from.remove(taken);
    if (taken != null && from == batch) {
      withdrawn = true;
      boolean needed =
          job.kind == Phase.RETRAINING && !(erased.samples.isEmpty() && quarantined.isEmpty());
      if (batch.isEmpty() && !needed) {
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
    if (phase == Phase.COLLECTING && !carried.classes.isEmpty()) {
      start(Phase.UNLEARNING, Set.of(), new TreeSet<>(carried.classes));
      return;
    }
    if (phase == Phase.COLLECTING && !carried.samples.isEmpty()) {
      start(Phase.UNLEARNING, new TreeSet<>(carried.samples), Set.of());
      return;
    }
    if (phase == Phase.COLLECTING && (retrainWanted || isRetrainingDue()) && canRetrain()) {
      if (retrainWanted) {
        retrainWanted = false;
        waitAgain(); // by the person's word only
      }
      batch = pending;
      pending = new ArrayList<>();
      start(Phase.RETRAINING, batchSamples(), batchClasses());
      return;
    }
    while (phase == Phase.COLLECTING && isBatchDue()) {
      takeBatch();
      Set<String> samples = batchSamples();
      Set<String> classes = batchClasses();
      if (samples.isEmpty() && classes.isEmpty()) {
        answer(false);
      } else {
        start(Phase.UNLEARNING, samples, classes);
      }
    }
  }

  private boolean isBatchDue() {
    return pending.size() >= registration.maxRequests() || pending.stream().anyMatch(this::isDue);
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

  /**
   * Samples and classes are forgotten by different methods: the batch is of what its oldest is.
   * Classes are cut off by samples; samples pass classes over, up to one that is due itself.
   */
  private void takeBatch() {
    List<Task> waiting = pending;
    boolean ofClasses = waiting.get(0).ofClasses();
    List<Task> passedOver = new ArrayList<>();
    int end = 0;
    batch = new ArrayList<>();
    for (; end < waiting.size(); end++) {
      Task task = waiting.get(end);
      if (task.ofClasses() == ofClasses) {
        batch.add(task);
      } else if (ofClasses || isDue(task)) {
        break;
      } else {
        passedOver.add(task);
      }
    }
    pending = new ArrayList<>(waiting.subList(end, waiting.size()));
    pending.addAll(passedOver);
  }

  private Set<String> batchSamples() {
    Set<String> samples = new TreeSet<>();
    batch.forEach(task -> samples.addAll(task.samples()));
    samples.removeAll(erased.samples);
    samples.removeAll(excluded.samples);
    return samples;
  }

  private Set<String> batchClasses() {
    Set<String> classes = new TreeSet<>();
    batch.forEach(task -> classes.addAll(task.classes()));
    classes.removeAll(erased.classes);
    classes.removeAll(excluded.classes);
    return classes;
  }

  private void start(Phase kind, Set<String> samples, Set<String> classes) {
    withdrawn = false;
    phase = kind;
    job.start(kind, samples, classes, now);
    batch.forEach(task -> requests.get(task.id()).begun());
  }

  /** What was set aside waits again. */
  private void waitAgain() {
    pending.addAll(aside.values());
    aside.clear();
  }

  private boolean canRetrain() {
    return !(erased.samples.isEmpty()
        && pending.isEmpty()
        && quarantined.isEmpty()
        && batch.isEmpty()
        && aside.isEmpty());
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
      boolean publishes = forgotten() || !carried.isEmpty();
      if (publishes) {
        unlearning.learn(job.age(now));
      }
      carried.removeAll(erased);
      phase = Phase.COLLECTING;
      answer(false);
      fire();
    } else if (phase == Phase.RETRAINING) {
      forgotten();
      retraining.learn(job.age(now));
      answer(true);
      List.copyOf(quarantined.keySet()).forEach(id -> requests.get(id).exact());
      quarantined.clear();
      excluded.addAll(erased);
      excluded.addAll(carried);
      erased.clear();
      carried.clear();
      anchor();
    }
  }

  /** Whether the job has made the model forget any sample. */
  private boolean forgotten() {
    Set<String> samples = new TreeSet<>(job.forgets.samples);
    job.forgets.classes.forEach(label -> samples.addAll(resolved(label)));
    erased.samples.addAll(samples);
    erased.classes.addAll(job.forgets.classes);
    return !samples.isEmpty();
  }

  private void answer(boolean retrained) {
    List<Task> answered = batch;
    batch = new ArrayList<>();
    for (Task task : answered) {
      boolean neverKnown =
          excluded.samples.containsAll(task.samples())
              && excluded.classes.containsAll(task.classes());
      boolean completes = !registration.exact() || retrained || neverKnown;
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
    withoutWithdrawn();
    start(Phase.RETRAINING, Set.copyOf(job.forgets.samples), Set.copyOf(job.forgets.classes));
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
    List<Task> naming =
        batch.stream().filter(task -> !Collections.disjoint(task.samples(), samples)).toList();
    if (!naming.isEmpty()) {
      naming.forEach(task -> aside.put(task.id(), task));
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
    waitAgain();
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
      job.narrow(batchSamples(), batchClasses());
    }
  }

  // The model's anchors, and its end.

  /** Registered under another artifact, also after its retirement. */
  void register() {
    for (Erased before : List.of(erased, excluded)) {
      carried.addAll(before);
      before.clear();
    }
    waitAgain();
    batch.addAll(pending);
    pending = batch;
    batch = new ArrayList<>();
    anchor();
  }

  private void anchor() {
    retrainWanted = false;
    start(Phase.ANCHORING, Set.of(), Set.of());
  }

  void retire() {
    if (!isLive()) {
      return;
    }
    List<Task> open = new ArrayList<>(batch);
    open.addAll(pending);
    open.addAll(held.values());
    open.addAll(aside.values());
    batch.clear();
    pending.clear();
    held.clear();
    aside.clear();
    erased.clear();
    carried.clear();
    excluded.clear();
    retrainWanted = false;
    phase = Phase.RETIRED;
    List.copyOf(quarantined.keySet()).forEach(id -> requests.get(id).retired());
    quarantined.clear();
    open.forEach(task -> requests.get(task.id()).retired());
  }
}
