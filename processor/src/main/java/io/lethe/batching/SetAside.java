package io.lethe.batching;

import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.RequestEventKind;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Requests that name samples which the model's dataset lacks. No job can be run with them, so they
 * are taken out of their batch until a person says to try again: as a whole, since a release that
 * forgot the others of their samples would not end them. They lie among the tasks that are held.
 */
final class SetAside {
  /** Why such a request has stopped. */
  static final String UNKNOWN_SAMPLES = "unknown_samples";

  private static final Logger log = LoggerFactory.getLogger(SetAside.class);

  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final PendingTasks pending;

  SetAside(BatchingStores stores, BatchingEmitter emitter, PendingTasks pending) {
    this.stores = stores;
    this.emitter = emitter;
    this.pending = pending;
  }

  /**
   * Takes the requests that name one of the samples out of the batch of the running job. Returns
   * the same state where there is none.
   */
  ModelState without(ModelState state, List<String> unknown) {
    if (unknown.isEmpty()) {
      return state;
    }
    Set<String> lacking = new HashSet<>(unknown);
    int taken = 0;
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(
            state.getRegistration().getModelId(), state.getFirstTask(), state.getBatchEnd())) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        ErasureTask task = entry.value;
        if (task.getSampleIds().stream().anyMatch(lacking::contains)) {
          stores.deleteTask(BatchingStores.sequence(entry.key), task);
          stores.putHeld(ErasureTask.newBuilder(task).setSetAside(true).build());
          emitter.emit(emitter.event(task, RequestEventKind.STOPPED).setReason(UNKNOWN_SAMPLES));
          taken++;
        }
      }
    }
    if (taken == 0) {
      return state;
    }
    log.warn(
        "requests name samples that the dataset lacks and are set aside until a retry"
            + " modelId={} jobId={} requests={} samples={}",
        state.getRegistration().getModelId(),
        state.getJobId().orElseThrow(),
        taken,
        lacking.size());
    return ModelState.newBuilder(state)
        .setRequestsSetAside(state.getRequestsSetAside() + taken)
        .build();
  }

  /** Lets all that were set aside wait for a batch again. */
  ModelState again(ModelState state) {
    if (state.getRequestsSetAside() == 0) {
      return state;
    }
    ModelState next = state;
    try (KeyValueIterator<String, ErasureTask> held =
        stores.allHeld(state.getRegistration().getModelId())) {
      while (held.hasNext()) {
        ErasureTask task = held.next().value;
        if (task.getSetAside()) {
          stores.deleteHeld(task);
          emitter.emit(emitter.event(task, RequestEventKind.RESUMED));
          next = pending.add(next, ErasureTask.newBuilder(task).setSetAside(false).build());
        }
      }
    }
    return ModelState.newBuilder(next).setRequestsSetAside(0).build();
  }

  /** The state without a task that was held and is so no longer. */
  static ModelState less(ModelState state, ErasureTask held) {
    return held.getSetAside()
        ? ModelState.newBuilder(state).setRequestsSetAside(state.getRequestsSetAside() - 1).build()
        : state;
  }
}
