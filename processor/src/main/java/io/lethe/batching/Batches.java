package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.Trace;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * When a batch fires and what is in it. Tasks are read one after another: what waits may be far
 * more than fits in memory, a batch's samples do.
 *
 * <p>Whole classes and single samples are forgotten by different methods, so that a batch is of the
 * one or the other: of what its oldest task is. Both count toward the rules by which it fires; what
 * is of the other kind then waits, by its own age and due dates, for a batch of its own. Classes
 * that stand among samples are passed over, until one is due itself and leads the next batch: they
 * are few, and would else cut batches short. Only a retraining serves both at once.
 */
final class Batches {
  /** Of a policy that never fires by age, without an overflow. */
  private static final Duration LONGEST = Duration.ofDays(36_500);

  /** Ids of a batch: half of what a job's record may take, as one request may hold as much. */
  private static final int MAX_ID_BYTES = 8 << 20;

  private final BatchingSettings settings;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;
  private final Jobs jobs;
  private final Answers answers;

  /**
   * The tasks that a job will serve, {@code [firstTask, batchEnd)} of the state.
   *
   * @param samples to forget that the current version knows; sorted
   * @param classes to forget whole that the current version knows; sorted
   * @param trace of the requests, or null
   */
  record Batch(
      ModelState state, List<String> samples, List<String> classes, int requests, Trace trace) {
    boolean isEmpty() {
      return samples.isEmpty() && classes.isEmpty();
    }
  }

  Batches(
      BatchingSettings settings,
      BatchingStores stores,
      BatchingEmitter emitter,
      PendingTasks pending,
      Jobs jobs,
      Answers answers) {
    this.settings = settings;
    this.stores = stores;
    this.emitter = emitter;
    this.pending = pending;
    this.jobs = jobs;
    this.answers = answers;
  }

  /** When the pending batch fires if nothing more arrives; not before that, perhaps later. */
  Instant firesAt(ModelState state) {
    return firesAt(
        state, state.getOldestPendingAt().orElseThrow(), state.getNearestDueAt().orElseThrow());
  }

  private Instant firesAt(ModelState state, Instant arrivedAt, Instant dueAt) {
    Duration maxAge = Duration.ofMillis(state.getRegistration().getPolicy().getMaxAgeMillis());
    Instant byAge = arrivedAt.plus(maxAge.compareTo(LONGEST) > 0 ? LONGEST : maxAge);
    Instant byDueDate = dueAt.minus(LeadTime.of(state, settings));
    return byAge.isBefore(byDueDate) ? byAge : byDueDate;
  }

  /** Fires the pending batch when a rule of the policy says so. */
  ModelState fireIfDue(ModelState state) {
    ModelState next = state;
    while (isCollecting(next)) {
      if (!isFull(next)) {
        if (firesAt(next).isAfter(emitter.now())) {
          return next;
        }
        // What decides may have been withdrawn, or served; mostly it is the first that waits.
        ErasureTask first = pending.first(next);
        if (first == null || !isDue(next, first)) {
          next = pending.rescanned(next);
          if (firesAt(next).isAfter(emitter.now())) {
            return next;
          }
        }
      }
      next = fire(next);
    }
    return next;
  }

  /**
   * Forgets what earlier anchors had forgotten: until then no request may be told that the model
   * has forgotten its samples.
   */
  ModelState fireCarried(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    // Whole classes first: most of their samples are among the samples that are carried too.
    List<String> classes =
        state.getCarriedClasses() > 0
            ? stores.classes(modelId).carried(settings.maxSamplesPerJob(), MAX_ID_BYTES)
            : List.of();
    List<String> samples =
        classes.isEmpty()
            ? stores.carried(modelId, settings.maxSamplesPerJob(), MAX_ID_BYTES)
            : List.of();
    ModelState unlearning =
        jobs.started(
            ModelState.newBuilder(state).setBatchEnd(state.getFirstTask()).build(),
            JobKind.UNLEARN,
            classes.isEmpty()
                ? "carried/" + state.getCarriedSamples()
                : "carried/classes/" + state.getCarriedClasses());
    jobs.offer(
        jobs.job(unlearning, JobKind.UNLEARN)
            .setSampleIds(samples)
            .setClasses(classes)
            .setRequests(0)
            .setCarriedOver(true)
            .setAnchorReturned(
                stores.artifacts(state.getRegistration().getModelId()).isReturned(state))
            .build());
    return unlearning;
  }

  private static boolean isCollecting(ModelState state) {
    return state.getPhase() == Phase.COLLECTING && state.getPendingRequests() > 0;
  }

  private static boolean isFull(ModelState state) {
    UnlearningPolicy policy = state.getRegistration().getPolicy();
    return state.getPendingRequests() >= policy.getMaxRequests()
        || state.getPendingSamples() >= policy.getMaxSamples();
  }

  /** Whether the task alone fires a batch. */
  private boolean isDue(ModelState state, ErasureTask task) {
    return !firesAt(state, task.getArrivedAt().orElseThrow(), task.getDueAt())
        .isAfter(emitter.now());
  }

  private ModelState fire(ModelState state) {
    Batch batch = take(state, false);
    if (batch.isEmpty()) {
      // All were erased by earlier batches: the current version has forgotten them.
      return answers.byCurrentVersion(batch.state());
    }
    ModelState unlearning =
        jobs.started(batch.state(), JobKind.UNLEARN, Long.toString(state.getFirstTask()));
    jobs.offer(job(unlearning, JobKind.UNLEARN, batch));
    jobs.tellStarted(unlearning);
    return unlearning;
  }

  /** The job of a batch. */
  UnlearningJob job(ModelState state, JobKind kind, Batch batch) {
    return jobs.job(state, kind)
        .setSampleIds(batch.samples())
        .setClasses(batch.classes())
        .setRequests(batch.requests())
        .setTrace(batch.trace())
        .build();
  }

  /**
   * Takes tasks in the order of their arrival, as many as a job takes, at least one if any.
   *
   * @param mixed whether the job takes whole classes and samples at once
   */
  Batch take(ModelState state, boolean mixed) {
    String modelId = state.getRegistration().getModelId();
    TreeSet<String> samples = new TreeSet<>();
    TreeSet<String> classes = new TreeSet<>();
    SortedMap<Long, ErasureTask> passedOver = new TreeMap<>();
    BatchTrace trace = new BatchTrace();
    boolean ofClasses = false;
    int requests = 0;
    long requestedSamples = 0;
    long bytes = 0;
    long end = state.getNextTask();
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(modelId, PendingTasks.pendingFrom(state), state.getNextTask())) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        ErasureTask task = entry.value;
        List<String> ids = task.getSampleIds();
        long idBytes = bytes(ids) + bytes(task.getClasses());
        boolean full =
            requests >= settings.maxSamplesPerJob()
                || samples.size() + ids.size() > settings.maxSamplesPerJob()
                || bytes + idBytes > MAX_ID_BYTES;
        boolean otherKind = !mixed && ofClasses == task.getClasses().isEmpty();
        boolean leadsTheNext = otherKind && (ofClasses || isDue(state, task));
        if (requests > 0 && (full || leadsTheNext)) {
          end = BatchingStores.sequence(entry.key);
          break;
        }
        if (requests > 0 && otherKind) {
          passedOver.put(BatchingStores.sequence(entry.key), task);
          continue;
        }
        ofClasses = !task.getClasses().isEmpty();
        stores.collect(state, task, samples, classes);
        trace.add(task);
        requests++;
        requestedSamples += ids.size();
        bytes += idBytes;
      }
    }
    ModelState taken =
        ModelState.newBuilder(
                pending.less(pending.behind(state, passedOver), requests, requestedSamples))
            .setBatchEnd(end)
            .build();
    return new Batch(taken, List.copyOf(samples), List.copyOf(classes), requests, trace.trace());
  }

  private static long bytes(List<String> ids) {
    long bytes = 0;
    for (String id : ids) {
      bytes += id.getBytes(StandardCharsets.UTF_8).length + 2;
    }
    return bytes;
  }
}
