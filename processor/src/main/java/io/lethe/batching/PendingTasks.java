package io.lethe.batching;

import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.RequestEventKind;
import java.time.Instant;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * The queue of a model's tasks: {@code [firstTask, batchEnd)} is the batch of the running job,
 * {@code [batchEnd, nextTask)} waits for the next. Cancels and legal holds take a task out of what
 * waits and leave a gap; what a job has begun with stays.
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

  /** Lets tasks that wait, as they are, wait behind all others. */
  ModelState behind(ModelState state, List<ErasureTask> tasks) {
    long next = state.getNextTask();
    for (ErasureTask task : tasks) {
      stores.deleteTask(stores.sequence(task), task);
      stores.putTask(next++, task);
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
      return state;
    }
    ErasureTask pending = pending(state, command);
    if (pending == null) {
      return refuse(state, command);
    }
    emitter.emit(emitter.answer(command, RequestEventKind.WITHDRAWN));
    return without(state, pending);
  }

  private ModelState hold(ModelState state, ErasureTask command) {
    ErasureTask pending = pending(state, command);
    if (pending == null) {
      return refuse(state, command);
    }
    stores.putHeld(pending);
    emitter.emit(emitter.answer(command, RequestEventKind.HELD));
    return without(state, pending);
  }

  private ModelState release(ModelState state, ErasureTask command) {
    ErasureTask held = stores.held(command);
    if (held == null) {
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
    ErasureTask pending = pending(state, command);
    if (pending == null) {
      return state;
    }
    stores.putTask(
        stores.sequence(command),
        ErasureTask.newBuilder(pending).setDueAt(command.getDueAt()).build());
    boolean wasNearest =
        state.getNearestDueAt().filter(at -> !pending.getDueAt().isAfter(at)).isPresent();
    return wasNearest ? rescanned(state) : state;
  }

  private ModelState refuse(ModelState state, ErasureTask command) {
    boolean running = stores.sequence(command) != null;
    boolean held = stores.held(command) != null;
    String reason = running ? "in_progress" : held ? "already_held" : "not_pending";
    emitter.emit(emitter.answer(command, RequestEventKind.REFUSED).setReason(reason));
    return state;
  }

  /** The request's task if no job has begun with it, else null. */
  private ErasureTask pending(ModelState state, ErasureTask command) {
    Long sequence = stores.sequence(command);
    return sequence == null || sequence < pendingFrom(state)
        ? null
        : stores.task(command.getModelId(), sequence);
  }

  private ModelState without(ModelState state, ErasureTask task) {
    stores.deleteTask(stores.sequence(task), task);
    ModelState less =
        ModelState.newBuilder(state)
            .setPendingRequests(state.getPendingRequests() - 1)
            .setPendingSamples(state.getPendingSamples() - task.getSampleIds().size())
            .build();
    boolean decided =
        !task.getDueAt().isAfter(state.getNearestDueAt().orElseThrow())
            || !task.getArrivedAt().orElseThrow().isAfter(state.getOldestPendingAt().orElseThrow());
    return decided ? rescanned(less) : less;
  }

  /**
   * Looks anew for the oldest task and the nearest due date among those that wait. Costs a pass
   * over them; needed only when the task that decided one of the two has left.
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
