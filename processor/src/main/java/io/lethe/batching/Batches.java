package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.ModelResult;
import io.lethe.events.Trace;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestEventKind;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.TreeSet;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * When a batch fires, what is in it, and the answer to its requests. Tasks are read one after
 * another: what waits may be far more than fits in memory, a batch's samples do.
 */
final class Batches {
  /** Of a policy that never fires by age, without an overflow. */
  private static final Duration LONGEST = Duration.ofDays(36_500);

  private final BatchingSettings settings;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;
  private final Jobs jobs;

  /** What a job will serve. */
  private record Batch(
      TreeSet<String> samples, long end, int requests, long requestedSamples, Trace trace) {}

  Batches(
      BatchingSettings settings,
      BatchingStores stores,
      BatchingEmitter emitter,
      PendingTasks pending,
      Jobs jobs) {
    this.settings = settings;
    this.stores = stores;
    this.emitter = emitter;
    this.pending = pending;
    this.jobs = jobs;
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

  /**
   * Fires the pending batch when a rule of the policy says so. What earlier anchors had forgotten
   * comes first: until then no request may be told that the model has forgotten its samples.
   */
  ModelState fireIfDue(ModelState state) {
    if (state.getPhase() == Phase.COLLECTING && state.getCarriedSamples() > 0) {
      return fireCarried(state);
    }
    ModelState next = state;
    while (isDue(next)) {
      next = fire(next);
    }
    return next;
  }

  private ModelState fireCarried(ModelState state) {
    List<String> samples =
        stores.carried(state.getRegistration().getModelId(), settings.maxSamplesPerJob());
    String work = "carried/" + state.getCarriedSamples();
    ModelState unlearning =
        started(ModelState.newBuilder(state).setBatchEnd(state.getFirstTask()).build(), work);
    jobs.offer(job(unlearning).setSampleIds(samples).setRequests(0).setCarriedOver(true).build());
    return unlearning;
  }

  private ModelState started(ModelState state, String work) {
    return ModelState.newBuilder(state)
        .setPhase(Phase.UNLEARNING)
        .setBatches(state.getBatches() + 1)
        .setJobId(Jobs.id(state, work))
        .setAttempt(1)
        .setFirstAttempt(1)
        .setFiredAt(emitter.now())
        .setHeardAt(emitter.now())
        .build();
  }

  private UnlearningJob.Builder job(ModelState state) {
    return jobs.job(state, JobKind.UNLEARN)
        .setErasedSampleIds(
            stores.erased(state.getRegistration().getModelId(), state.getAnchorId()));
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
    Batch batch = gather(state);
    ModelState fired =
        pending.rescanned(
            ModelState.newBuilder(state)
                .setBatchEnd(batch.end())
                .setPendingRequests(state.getPendingRequests() - batch.requests())
                .setPendingSamples(state.getPendingSamples() - batch.requestedSamples())
                .build());
    if (batch.samples().isEmpty()) {
      // All were erased by earlier batches: the current version has forgotten them.
      return answer(fired);
    }
    ModelState unlearning = started(fired, Long.toString(state.getFirstTask()));
    jobs.offer(
        job(unlearning)
            .setSampleIds(List.copyOf(batch.samples()))
            .setRequests(batch.requests())
            .setTrace(batch.trace())
            .build());
    try (KeyValueIterator<Bytes, ErasureTask> tasks = tasks(unlearning)) {
      while (tasks.hasNext()) {
        emitter.emit(emitter.event(tasks.next().value, RequestEventKind.STARTED));
      }
    }
    return unlearning;
  }

  /** Takes tasks in the order of their arrival, as many as a job takes, at least one. */
  private Batch gather(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    TreeSet<String> samples = new TreeSet<>();
    BatchTrace trace = new BatchTrace();
    int requests = 0;
    long requestedSamples = 0;
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(modelId, PendingTasks.pendingFrom(state), state.getNextTask())) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        List<String> ids = entry.value.getSampleIds();
        boolean full =
            requests >= settings.maxSamplesPerJob()
                || samples.size() + ids.size() > settings.maxSamplesPerJob();
        if (requests > 0 && full) {
          return new Batch(
              samples,
              BatchingStores.sequence(entry.key),
              requests,
              requestedSamples,
              trace.trace());
        }
        ids.stream()
            .filter(id -> !stores.isErased(modelId, state.getAnchorId(), id))
            .forEach(samples::add);
        trace.add(entry.value);
        requests++;
        requestedSamples += ids.size();
      }
    }
    return new Batch(samples, state.getNextTask(), requests, requestedSamples, trace.trace());
  }

  /** Tells the requests of the batch that the current version has forgotten their samples. */
  ModelState answer(ModelState state) {
    try (KeyValueIterator<Bytes, ErasureTask> tasks = tasks(state)) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        ErasureTask task = entry.value;
        emitter.emit(
            emitter
                .event(task, RequestEventKind.UNLEARNED)
                .setModelResult(
                    ModelResult.newBuilder()
                        .setModelId(task.getModelId())
                        .setVersion(state.getVersion())
                        .setArtifactSha256(state.getArtifactSha256())
                        .setSamples(task.getSampleIds().size())
                        .setUnlearnedAt(state.getVersionAt())
                        .build()));
        stores.deleteTask(BatchingStores.sequence(entry.key), task);
      }
    }
    return ModelState.newBuilder(state).setFirstTask(state.getBatchEnd()).build();
  }

  private KeyValueIterator<Bytes, ErasureTask> tasks(ModelState state) {
    return stores.tasks(
        state.getRegistration().getModelId(), state.getFirstTask(), state.getBatchEnd());
  }
}
