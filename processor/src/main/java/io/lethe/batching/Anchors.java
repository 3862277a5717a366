package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.ModelRegistered;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestEventKind;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * A model's first anchor, its next, and its end. Sequence numbers and versions go on through all of
 * them, so that no two jobs and no two versions of a model share a name.
 */
final class Anchors {
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;
  private final Jobs jobs;

  Anchors(BatchingStores stores, BatchingEmitter emitter, PendingTasks pending, Jobs jobs) {
    this.stores = stores;
    this.emitter = emitter;
    this.pending = pending;
    this.jobs = jobs;
  }

  /** The first anchor of a model. */
  ModelState first(ModelRegistered registration) {
    return anchoring(
        ModelState.newBuilder()
            .setRegistration(registration)
            .setPhase(Phase.ANCHORING)
            .setAnchorId("")
            .setVersion(0)
            .setArtifactSha256("")
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
            .build(),
        registration);
  }

  /**
   * Another artifact under the same name: a new anchor. The old sums are deleted. Samples that were
   * erased under it are set aside and forgotten by the new one before anything else; the batch of
   * the job that ran waits again.
   */
  ModelState next(ModelState state, ModelRegistered registration) {
    String modelId = registration.getModelId();
    stores.fisher().delete(modelId, state.getAnchorId());
    int carried = state.getCarriedSamples() + stores.carry(modelId, state.getAnchorId());
    return anchoring(
        ModelState.newBuilder(waitingAgain(state)).setCarriedSamples(carried).build(),
        registration);
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

  private ModelState anchoring(ModelState state, ModelRegistered registration) {
    ModelState anchoring =
        jobs.ended(state)
            .setRegistration(registration)
            .setPhase(Phase.ANCHORING)
            .setAnchorId(registration.getArtifactSha256())
            .setAnchorings(state.getAnchorings() + 1)
            .setArtifactSha256(registration.getArtifactSha256())
            .setVersionAt(registration.getRegisteredAt())
            .setTrainingSamples(0)
            .setErasedSamples(0)
            .setBatches(0)
            .setAttempt(1)
            .setHeardAt(emitter.now())
            .build();
    ModelState named =
        ModelState.newBuilder(anchoring).setJobId(Jobs.id(anchoring, "anchor")).build();
    jobs.offer(jobs.job(named, JobKind.ANCHOR).build());
    return named;
  }

  /**
   * The model is no longer there: its requests are told so, and everything that is known of data
   * subjects, erased samples and sums is deleted. What stays is its name and its counters.
   */
  ModelState retired(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    try (KeyValueIterator<Bytes, ErasureTask> tasks = all(state)) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        answer(entry.value);
        stores.deleteTask(BatchingStores.sequence(entry.key), entry.value);
      }
    }
    try (KeyValueIterator<String, ErasureTask> held = stores.allHeld(modelId)) {
      while (held.hasNext()) {
        ErasureTask task = held.next().value;
        answer(task);
        stores.deleteHeld(task);
      }
    }
    stores.fisher().delete(modelId, state.getAnchorId());
    stores.deleteErased(modelId);
    return jobs.ended(state)
        .setPhase(Phase.RETIRED)
        .setTrainingSamples(0)
        .setErasedSamples(0)
        .setCarriedSamples(0)
        .setFirstTask(state.getNextTask())
        .setBatchEnd(state.getNextTask())
        .setPendingRequests(0)
        .setPendingSamples(0)
        .clearOldestPendingAt()
        .clearNearestDueAt()
        .build();
  }

  /** Tells a request that the model is no longer there. */
  void answer(ErasureTask task) {
    emitter.emit(emitter.event(task, RequestEventKind.RETIRED));
  }

  private KeyValueIterator<Bytes, ErasureTask> all(ModelState state) {
    return stores.tasks(
        state.getRegistration().getModelId(), state.getFirstTask(), state.getNextTask());
  }
}
