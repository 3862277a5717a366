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
import java.util.TreeSet;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * When a batch fires and what is in it. Tasks are read one after another: what waits may be far
 * more than fits in memory, a batch's samples do.
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
   * @param classes to forget whole; where there are any the batch is of classes only
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

  /** When the pending batch fires if nothing more arrives. */
  Instant firesAt(ModelState state) {
    Duration maxAge = Duration.ofMillis(state.getRegistration().getPolicy().getMaxAgeMillis());
    Instant byAge =
        state
            .getOldestPendingAt()
            .orElseThrow()
            .plus(maxAge.compareTo(LONGEST) > 0 ? LONGEST : maxAge);
    Instant byDueDate = state.getNearestDueAt().orElseThrow().minus(LeadTime.of(state, settings));
    return byAge.isBefore(byDueDate) ? byAge : byDueDate;
  }

  /** Fires the pending batch when a rule of the policy says so. */
  ModelState fireIfDue(ModelState state) {
    ModelState next = state;
    while (isDue(next)) {
      next = fire(next);
    }
    return next;
  }

  /**
   * Forgets what earlier anchors had forgotten: until then no request may be told that the model
   * has forgotten its samples.
   */
  ModelState fireCarried(ModelState state) {
    List<String> samples =
        stores.carried(
            state.getRegistration().getModelId(), settings.maxSamplesPerJob(), MAX_ID_BYTES);
    ModelState unlearning =
        jobs.started(
            ModelState.newBuilder(state).setBatchEnd(state.getFirstTask()).build(),
            JobKind.UNLEARN,
            "carried/" + state.getCarriedSamples());
    jobs.offer(
        jobs.job(unlearning, JobKind.UNLEARN)
            .setSampleIds(samples)
            .setRequests(0)
            .setCarriedOver(true)
            .build());
    return unlearning;
  }

  private boolean isDue(ModelState state) {
    if (state.getPhase() != Phase.COLLECTING || state.getPendingRequests() == 0) {
      return false;
    }
    UnlearningPolicy policy = state.getRegistration().getPolicy();
    return state.getPendingRequests() >= policy.getMaxRequests()
        || state.getPendingSamples() >= policy.getMaxSamples()
        || !firesAt(state).isAfter(emitter.now());
  }

  private ModelState fire(ModelState state) {
    Batch batch = take(state);
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

  /** Takes tasks in the order of their arrival, as many as a job takes, at least one if any. */
  Batch take(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    TreeSet<String> samples = new TreeSet<>();
    TreeSet<String> classes = new TreeSet<>();
    BatchTrace trace = new BatchTrace();
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
        long idBytes = bytes(ids);
        boolean full =
            requests >= settings.maxSamplesPerJob()
                || samples.size() + ids.size() > settings.maxSamplesPerJob()
                || bytes + idBytes > MAX_ID_BYTES;
        boolean otherKind = classes.isEmpty() == !task.getClasses().isEmpty();
        if (requests > 0 && (full || otherKind)) {
          end = BatchingStores.sequence(entry.key);
          break;
        }
        ids.stream().filter(id -> !stores.isErased(state, id)).forEach(samples::add);
        classes.addAll(task.getClasses());
        trace.add(task);
        requests++;
        requestedSamples += ids.size();
        bytes += idBytes;
      }
    }
    ModelState taken =
        pending.rescanned(
            ModelState.newBuilder(state)
                .setBatchEnd(end)
                .setPendingRequests(state.getPendingRequests() - requests)
                .setPendingSamples(state.getPendingSamples() - requestedSamples)
                .build());
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
