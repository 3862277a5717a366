package io.lethe.batching;

import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.RequestEventKind;
import java.time.Instant;
import java.util.Map;
import java.util.SortedMap;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * The queue of a model's tasks: {@code [firstTask, batchEnd)} is the batch of the running job,
 * {@code [batchEnd, nextTask)} waits for the next. Cancels and legal holds take a task out of what
 * waits and leave a gap; what a job has begun with stays, unless the job waits for a person.
 */
final class PendingTasks {
  private final BatchingStores stores;
  private final BatchingEmitter emitter;

  PendingTasks(BatchingStores stores, BatchingEmitter emitter) {
    this.stores = stores;
    this.emitter = emitter;
  }

  /** The first sequence number that no job serves. */
  static long pendingFrom(ModelState state) {
    return Math.max(state.getFirstTask(), state.getBatchEnd());
  }

  ModelState add(ModelState state, ErasureTask task) {
    Instant arrivedAt = task.getArrivedAt().orElseGet(emitter::now);
    stores.putTask(
        state.getNextTask(), ErasureTask.newBuilder(task).setArrivedAt(arrivedAt).build());
    return ModelState.newBuilder(state)
        .setNextTask(state.getNextTask() + 1)
        .setPendingRequests(state.getPendingRequests() + 1)
        .setPendingSamples(state.getPendingSamples() + task.getSampleIds().size())
        .setOldestPendingAt(earlier(state.getOldestPendingAt().orElse(arrivedAt), arrivedAt))
        .setNearestDueAt(earlier(state.getNearestDueAt().orElse(task.getDueAt()), task.getDueAt()))
        .build();
  }

  /**
   * Lets tasks that wait, as they are, wait behind all others.
   *
   * @param tasks by their sequence numbers, in the order in which they are to wait
   */
  ModelState behind(ModelState state, SortedMap<Long, ErasureTask> tasks) {
    long next = state.getNextTask();
    for (Map.Entry<Long, ErasureTask> entry : tasks.entrySet()) {
      stores.deleteTask(entry.getKey(), entry.getValue());
      stores.putTask(next++, entry.getValue());
    }
    return ModelState.newBuilder(state).setNextTask(next).build();
  }

  /** Takes a command on a task. */
  ModelState command(ModelState state, ErasureTask command) {
    return switch (command.getCommand()) {
      case CANCEL -> cancel(state, command);
      case HOLD -> hold(state, command);
      case RELEASE -> release(state, command);
      case EXTEND -> extend(state, command);
      case ERASE, UNKNOWN -> throw new InvalidModelException("not a command on a task");
    };
  }

  private ModelState cancel(ModelState state, ErasureTask command) {
    ErasureTask held = stores.held(command);
    if (held != null) {
      stores.deleteHeld(held);
      emitter.emit(emitter.answer(command, RequestEventKind.WITHDRAWN));
      return SetAside.less(state, held);
    }
    ErasureTask pending = pending(state, command);
    if (pending == null) {
      refuse(command);
      return state;
    }
    emitter.emit(emitter.answer(command, RequestEventKind.WITHDRAWN));
    return without(state, pending);
  }

  private ModelState hold(ModelState state, ErasureTask command) {
    ErasureTask aside = stores.held(command);
    if (aside != null && aside.getSetAside()) {
      stores.putHeld(ErasureTask.newBuilder(aside).setSetAside(false).build());
      emitter.emit(emitter.answer(command, RequestEventKind.HELD));
      return SetAside.less(state, aside);
    }
    ErasureTask pending = pending(state, command);
    if (pending == null) {
      refuse(command);
      return state;
    }
    stores.putHeld(pending);
    emitter.emit(emitter.answer(command, RequestEventKind.HELD));
    return without(state, pending);
  }

  private ModelState release(ModelState state, ErasureTask command) {
    ErasureTask held = stores.held(command);
    if (held == null || held.getSetAside()) {
      emitter.emit(emitter.answer(command, RequestEventKind.REFUSED).setReason("not_held"));
      return state;
    }
    stores.deleteHeld(held);
    emitter.emit(emitter.answer(command, RequestEventKind.RESUMED));
    return add(state, held);
  }

  /** Intake has answered it: here only the due date moves. */
  private ModelState extend(ModelState state, ErasureTask command) {
    ErasureTask held = stores.held(command);
    if (held != null) {
      stores.putHeld(ErasureTask.newBuilder(held).setDueAt(command.getDueAt()).build());
      return state;
    }
    Long sequence = stores.sequence(command);
    if (sequence != null) {
      ErasureTask task = stores.task(command.getModelId(), sequence);
      stores.putTask(sequence, ErasureTask.newBuilder(task).setDueAt(command.getDueAt()).build());
    }
    return state;
  }

  /** Says why a command on a task cannot be granted. */
  void refuse(ErasureTask command) {
    boolean running = stores.sequence(command) != null;
    boolean held = stores.held(command) != null;
    String reason = running ? "in_progress" : held ? "already_held" : "not_pending";
    emitter.emit(emitter.answer(command, RequestEventKind.REFUSED).setReason(reason));
  }

  /**
   * The request's task if no job runs with it, else null. Where the update of a job that waits for
   * a person is in the sums, its outcome alone is yet to come: without one of its requests the job
   * would be another, and would be subtracted once more.
   */
  private ErasureTask pending(ModelState state, ErasureTask command) {
    Long sequence = stores.sequence(command);
    boolean open =
        Jobs.waitsForPerson(state) && !stores.isSummed(state, state.getJobId().orElseThrow());
    long from = open ? state.getFirstTask() : pendingFrom(state);
    return sequence == null || sequence < from ? null : stores.task(command.getModelId(), sequence);
  }

  private ModelState without(ModelState state, ErasureTask task) {
    long sequence = stores.sequence(task);
    stores.deleteTask(sequence, task);
    return sequence < pendingFrom(state)
        ? state // of a job that waits for a person
        : less(state, 1, task.getSampleIds().size());
  }

  /**
   * Without tasks that were taken out. What the oldest and the nearest of the rest are is left
   * open: none is older, or due before what the state says, and who acts on that looks first.
   */
  ModelState less(ModelState state, int requests, long samples) {
    ModelState.Builder less =
        ModelState.newBuilder(state)
            .setPendingRequests(state.getPendingRequests() - requests)
            .setPendingSamples(state.getPendingSamples() - samples);
    if (less.getPendingRequests() == 0) {
      less.clearOldestPendingAt().clearNearestDueAt();
    }
    return less.build();
  }

  /** The first task that waits; null if none does. */
  ErasureTask first(ModelState state) {
    try (KeyValueIterator<Bytes, ErasureTask> waiting =
        stores.tasks(
            state.getRegistration().getModelId(), pendingFrom(state), state.getNextTask())) {
      return waiting.hasNext() ? waiting.next().value : null;
    }
  }

  /**
   * Looks anew for the oldest task and the nearest due date among those that wait. Costs a pass
   * over them; needed only before something is done for the sake of the one or the other.
   */
  ModelState rescanned(ModelState state) {
    Instant oldest = null;
    Instant nearest = null;
    try (KeyValueIterator<Bytes, ErasureTask> waiting =
        stores.tasks(
            state.getRegistration().getModelId(), pendingFrom(state), state.getNextTask())) {
      while (waiting.hasNext()) {
        ErasureTask task = waiting.next().value;
        Instant arrivedAt = task.getArrivedAt().orElseThrow();
        oldest = oldest == null ? arrivedAt : earlier(oldest, arrivedAt);
        nearest = nearest == null ? task.getDueAt() : earlier(nearest, task.getDueAt());
      }
    }
    return ModelState.newBuilder(state).setOldestPendingAt(oldest).setNearestDueAt(nearest).build();
  }

  private static Instant earlier(Instant one, Instant other) {
    return one.isBefore(other) ? one : other;
  }
}
