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
  private static final Duration JOB_TIMEOUT = Duration.ofHours(1);
  private static final int MAX_ATTEMPTS = 2;

  /** A request's samples in the model, or the classes that it must forget whole. */
  record Task(UUID id, Set<String> samples, Set<String> classes) {
    boolean ofClasses() {
      return !classes.isEmpty();
    }
  }

  /**
   * What a model is registered with.
   *
   * @param maxRequests that fire a batch
   * @param targets whether an anchor is ready only once held-out targets are here
   * @param retrains whether the ladder for samples ends with a retraining; that for classes does not
   * @param exact whether a request is complete only once the model was trained without its samples
   */
  record Registration(
      String dataset, int maxRequests, boolean targets, boolean retrains, boolean exact) {}

  /** Samples, and classes whole. */
  static final class Erased {
    final Set<String> samples = new TreeSet<>();
    final Set<String> classes = new TreeSet<>();

    boolean isEmpty() {
      return samples.isEmpty() && classes.isEmpty();
    }

    void clear() {
      samples.clear();
      classes.clear();
    }

    void addAll(Erased other) {
      samples.addAll(other.samples);
      classes.addAll(other.classes);
    }

    void removeAll(Erased other) {
      samples.removeAll(other.samples);
      classes.removeAll(other.classes);
    }
  }

  private final Registration registration;
  private final Map<UUID, TrackedRequest> requests;

  /** What the model's dataset has of a class. */
  private final Function<String, Set<String>> samplesOf;

  private Instant now;
  private Phase phase = Phase.COLLECTING;

  /** What a job that waits for a person goes on with. */
  private Phase running = Phase.UNLEARNING;

  private List<Task> pending = new ArrayList<>();
  private List<Task> batch = new ArrayList<>();

  /** Under a legal hold. */
  private final Map<UUID, Task> held = new LinkedHashMap<>();

  /** Name samples that the dataset lacks. */
  private final Map<UUID, Task> aside = new LinkedHashMap<>();

  /** Requests that a release served and that wait for a retraining. */
  private final List<UUID> quarantined = new ArrayList<>();

  /** What the job in flight is to forget. */
  private final Erased job = new Erased();

  /** Forgotten since the anchor. */
  private final Erased erased = new Erased();

  /** What the anchor was trained without. */
  private final Erased excluded = new Erased();

  /** Erased under earlier anchors, to be forgotten by this one first. */
  private final Erased carried = new Erased();

  /** What is here of the job's update. */
  private final Set<String> arrived = new TreeSet<>();

  /** All chunks were, with their commit marker: the update is in the sums. */
  private boolean summed;

  /** All held-out targets were, with their commit marker. */
  private boolean predicted;

  /** The outcome of the last offer is here, and waits for the update. */
  private boolean reported;

  private int jobNumber;
  private int offers;
  private int failures;
  private boolean backingOff;
  private Instant heardAt;
  private boolean retrainWanted;

  /** A person has released the model that the job had made, whatever the gate says. */
  private boolean overridden;

  /** Whether requests were taken out of the batch of a job that waits for a person. */
  private boolean withdrawn;

  BatchingRules(
      Registration registration,
      Instant start,
      Map<UUID, TrackedRequest> requests,
      Function<String, Set<String>> samplesOf) {
    this.registration = registration;
    this.requests = requests;
    this.samplesOf = samplesOf;
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
    return isLive() && running != Phase.ANCHORING;
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

  /** How often jobs were offered, since the first. */
  int offers() {
    return offers;
  }

  Erased job() {
    return job;
  }

  boolean isOverridden() {
    return overridden;
  }

  /** By which one job is told from the next; not from another offer of the same. */
  int jobNumber() {
    return jobNumber;
  }

  int erased() {
    return erased.samples.size();
  }

  /** Samples that the sums no longer retain: also of a job whose outcome is yet to come. */
  int subtracted() {
    Set<String> samples = new TreeSet<>(erased.samples);
    if (summed && running == Phase.UNLEARNING) {
      samples.addAll(job.samples);
      job.classes.forEach(label -> samples.addAll(resolved(label)));
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
        isStopped() && !summed && batch.stream().anyMatch(task -> task.id().equals(id));
    List<Task> from = ofBatch ? batch : pending;
    Task taken = from.stream().filter(task -> task.id().equals(id)).findFirst().orElse(null);
    from.remove(taken);
    if (taken != null && from == batch) {
      withdrawn = true;
      boolean needed =
          running == Phase.RETRAINING && !(erased.samples.isEmpty() && quarantined.isEmpty());
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
    if (phase == Phase.COLLECTING && retrainWanted && canRetrain()) {
      retrainWanted = false;
      waitAgain();
      batch = pending;
      pending = new ArrayList<>();
      start(Phase.RETRAINING, batchSamples(), batchClasses());
      return;
    }
    while (phase == Phase.COLLECTING
        && !pending.isEmpty()
        && pending.size() >= registration.maxRequests()) {
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

  /** All that wait for samples, or those for classes that stand first. */
  private void takeBatch() {
    List<Task> waiting = pending;
    int classesFirst = 0;
    while (classesFirst < waiting.size() && waiting.get(classesFirst).ofClasses()) {
      classesFirst++;
    }
    if (classesFirst > 0) {
      batch = new ArrayList<>(waiting.subList(0, classesFirst));
      pending = new ArrayList<>(waiting.subList(classesFirst, waiting.size()));
    } else {
      batch = new ArrayList<>(waiting.stream().filter(task -> !task.ofClasses()).toList());
      pending = new ArrayList<>(waiting.stream().filter(Task::ofClasses).toList());
    }
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

  private void start(Phase next, Set<String> samples, Set<String> classes) {
    jobNumber++;
    overridden = false;
    withdrawn = false;
    phase = next;
    running = next;
    jobIs(samples, classes);
    failures = 0;
    offer();
    batch.forEach(task -> requests.get(task.id()).begun());
  }

  private void jobIs(Set<String> samples, Set<String> classes) {
    job.clear();
    job.samples.addAll(samples);
    job.classes.addAll(classes);
    arrived.clear();
    summed = false;
    predicted = false;
  }

  private void offer() {
    offers++;
    backingOff = false;
    reported = false;
    heardAt = now;
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
   * A record of a job's update. Fisher chunks wait for each other, and for the marker that says how
   * many they are; so do the pieces of held-out targets.
   *
   * @param of the number of the job
   */
  void arrives(int of, String update) {
    if (of != jobNumber || !isRunning() || phase == Phase.RETRAINING) {
      return;
    }
    switch (update) {
      case PlayedWorker.FISHER_COMMIT -> summed |= arrived.containsAll(PlayedWorker.CHUNKS);
      case PlayedWorker.TARGETS_COMMIT -> predicted |= arrived.containsAll(PlayedWorker.TARGETS);
      default -> arrived.add(update);
    }
    releaseIfWhole();
  }

  /** The outcome of a job that did its work. */
  void released(int of) {
    if (of == jobNumber && isRunning()) {
      reported = true;
      releaseIfWhole();
    }
  }

  private void releaseIfWhole() {
    boolean whole =
        switch (phase) {
          case ANCHORING -> summed && (predicted || !registration.targets());
          case UNLEARNING -> summed;
          default -> true; // the model that a retraining has made is all there is
        };
    if (reported && whole) {
      release();
    }
  }

  private void release() {
    if (phase == Phase.ANCHORING) {
      running = Phase.COLLECTING;
      phase = Phase.COLLECTING;
      fire();
    } else if (phase == Phase.UNLEARNING) {
      forgotten();
      carried.removeAll(erased);
      phase = Phase.COLLECTING;
      answer(false);
      fire();
    } else if (phase == Phase.RETRAINING) {
      forgotten();
      answer(true);
      List.copyOf(quarantined).forEach(id -> requests.get(id).exact());
      quarantined.clear();
      excluded.addAll(erased);
      excluded.addAll(carried);
      erased.clear();
      carried.clear();
      anchor();
    }
  }

  private void forgotten() {
    job.classes.forEach(label -> erased.samples.addAll(resolved(label)));
    erased.addAll(job);
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
        quarantined.add(task.id());
      }
      requests.get(task.id()).unlearned(completes);
    }
  }

  /** A job waits for a person. */
  private void stop(Phase next) {
    phase = next;
    backingOff = false;
    reported = false;
  }

  void gateFails() {
    if (isRunning()) {
      stop(Phase.HELD);
    }
  }

  /** The ladder of the job is used up. */
  void escalates() {
    if (phase == Phase.UNLEARNING && registration.retrains() && job.classes.isEmpty()) {
      retrainInstead();
    } else if (isRunning()) {
      stop(Phase.ESCALATED);
    }
  }

  /** Trains the model anew for the batch of the job. */
  private void retrainInstead() {
    retrainWanted = false;
    withoutWithdrawn();
    start(Phase.RETRAINING, Set.copyOf(job.samples), Set.copyOf(job.classes));
  }

  void fails() {
    if (isRunning() && !backingOff) {
      failures++;
      if (failures >= MAX_ATTEMPTS) {
        stop(Phase.PARKED);
      } else {
        backingOff = true;
      }
    }
  }

  /** The dataset lacks samples of the job, which cannot be run with the requests that name them. */
  void lacks(Set<String> samples) {
    if (!isRunning() || reported || summed) {
      return; // another run did the job's work
    }
    List<Task> naming =
        batch.stream().filter(task -> !Collections.disjoint(task.samples(), samples)).toList();
    if (!naming.isEmpty()) {
      naming.forEach(task -> aside.put(task.id(), task));
      stop(Phase.PARKED);
      naming.forEach(task -> takeOut(task.id()));
      resume(false);
    } else if (!backingOff) {
      stop(Phase.PARKED);
    }
  }

  void advance(Duration duration) {
    now = now.plus(duration);
    boolean lost = isRunning() && !heardAt.plus(JOB_TIMEOUT).isAfter(now);
    if (isRunning() && backingOff) {
      offer();
    } else if (lost) {
      failures++; // a lost offer counts as an attempt
      if (failures >= MAX_ATTEMPTS) {
        stop(Phase.PARKED);
      } else {
        offer();
      }
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
      if (running == Phase.UNLEARNING) {
        retrainInstead();
      } else {
        retrainWanted |= running == Phase.ANCHORING;
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
    if (running == Phase.UNLEARNING && job.isEmpty()) {
      phase = Phase.COLLECTING;
      answer(false);
      fire();
      return;
    }
    phase = running;
    overridden = override;
    failures = 0;
    offer();
  }

  /** The job of what is left of its batch. */
  private void withoutWithdrawn() {
    if (withdrawn) {
      withdrawn = false;
      jobIs(batchSamples(), batchClasses());
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
    backingOff = false;
    phase = Phase.RETIRED;
    List.copyOf(quarantined).forEach(id -> requests.get(id).retired());
    quarantined.clear();
    open.forEach(task -> requests.get(task.id()).retired());
  }
}
