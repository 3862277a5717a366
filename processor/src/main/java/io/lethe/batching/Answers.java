package io.lethe.batching;

import io.lethe.events.CompletionStage;
import io.lethe.events.ModelResult;
import io.lethe.events.ResolvedClass;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.QuarantinedTask;
import io.lethe.state.RequestEventKind;
import java.time.Instant;
import java.util.List;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * What the requests are told of a release. A request passes two stages: a release has forgotten its
 * samples, and a model was trained without them. Between the two it is kept where the model has a
 * recipe; whether that completes it or the first stage did is the policy's word at the release.
 */
final class Answers {
  private final BatchingStores stores;
  private final BatchingEmitter emitter;

  Answers(BatchingStores stores, BatchingEmitter emitter) {
    this.stores = stores;
    this.emitter = emitter;
  }

  /** Tells the requests of the batch that the current version has forgotten their samples. */
  ModelState byCurrentVersion(ModelState state) {
    return answer(state, List.of(), false);
  }

  /** As {@link #byCurrentVersion}, with the samples of the classes that the release forgot. */
  ModelState byRelease(ModelState state, List<ResolvedClass> resolved) {
    return answer(state, resolved, false);
  }

  /** Tells the requests of the batch that the current version never knew their samples. */
  ModelState byRetraining(ModelState state, List<ResolvedClass> resolved) {
    return answer(state, resolved, true);
  }

  private ModelState answer(ModelState state, List<ResolvedClass> resolved, boolean retrained) {
    ModelState.Builder next = ModelState.newBuilder(state);
    try (KeyValueIterator<Bytes, ErasureTask> tasks =
        stores.tasks(
            state.getRegistration().getModelId(), state.getFirstTask(), state.getBatchEnd())) {
      while (tasks.hasNext()) {
        var entry = tasks.next();
        ErasureTask task = entry.value;
        boolean exact = retrained || isExact(state, task);
        boolean awaits = !exact && awaitsExact(state);
        ModelResult result =
            ModelResult.newBuilder()
                .setModelId(task.getModelId())
                .setVersion(state.getVersion())
                .setArtifactSha256(state.getArtifactSha256())
                .setSamples(samples(task, resolved))
                .setUnlearnedAt(state.getVersionAt())
                .setExactVersion(exact ? state.getVersion() : null)
                .build();
        emitter.emit(
            emitter
                .event(task, RequestEventKind.UNLEARNED)
                .setModelResult(result)
                .setAwaitsExact(awaits));
        if (!exact && state.getRegistration().getRecipe().isPresent()) {
          quarantine(task, result, awaits);
        }
        if (awaits) {
          next.setAwaitingExact(next.getAwaitingExact() + 1)
              .setExactDueAt(earlier(next.getExactDueAt(), task.getDueAt()));
        }
        stores.deleteTask(BatchingStores.sequence(entry.key), task);
      }
    }
    return next.setFirstTask(state.getBatchEnd()).build();
  }

  private static boolean awaitsExact(ModelState state) {
    return state.getRegistration().getPolicy().getCompletion() == CompletionStage.EXACT;
  }

  /** Whether the anchor was trained without all of the task's samples. */
  private boolean isExact(ModelState state, ErasureTask task) {
    return task.getClasses().stream().allMatch(stores.classes(task.getModelId())::isExcluded)
        && task.getSampleIds().stream().allMatch(id -> stores.isExcluded(state, id));
  }

  private static int samples(ErasureTask task, List<ResolvedClass> resolved) {
    return task.getSampleIds().size()
        + resolved.stream()
            .filter(of -> task.getClasses().contains(of.getLabel()))
            .mapToInt(of -> of.getSampleIds().size())
            .sum();
  }

  private void quarantine(ErasureTask task, ModelResult result, boolean awaits) {
    stores.putQuarantined(
        QuarantinedTask.newBuilder()
            .setTask(ErasureTask.newBuilder(task).setSampleIds(List.of()).build())
            .setModelResult(result)
            .setAwaited(awaits)
            .build());
  }

  /** Tells the requests of earlier releases that the current version never knew their samples. */
  ModelState exact(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    try (KeyValueIterator<String, QuarantinedTask> quarantined = stores.quarantined(modelId)) {
      while (quarantined.hasNext()) {
        var entry = quarantined.next();
        emitter.emit(
            emitter
                .event(entry.value.getTask(), RequestEventKind.EXACT)
                .setModelResult(
                    ModelResult.newBuilder(entry.value.getModelResult())
                        .setExactVersion(state.getVersion())
                        .build()));
        stores.deleteQuarantined(entry.key);
      }
    }
    return ModelState.newBuilder(state).setAwaitingExact(0).clearExactDueAt().build();
  }

  /** Tells the requests that still wait that the model is no longer there. */
  ModelState retired(ModelState state) {
    String modelId = state.getRegistration().getModelId();
    try (KeyValueIterator<String, QuarantinedTask> quarantined = stores.quarantined(modelId)) {
      while (quarantined.hasNext()) {
        var entry = quarantined.next();
        if (entry.value.getAwaited()) {
          retired(entry.value.getTask());
        }
        stores.deleteQuarantined(entry.key);
      }
    }
    return ModelState.newBuilder(state).setAwaitingExact(0).clearExactDueAt().build();
  }

  /** Tells a request that the model is no longer there. */
  void retired(ErasureTask task) {
    emitter.emit(emitter.event(task, RequestEventKind.RETIRED));
  }

  private static Instant earlier(Instant known, Instant other) {
    return known == null || other.isBefore(known) ? other : known;
  }
}
