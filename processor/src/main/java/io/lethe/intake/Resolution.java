package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.RequestCommand;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.ErasureTask;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.RequestEventKind;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueIterator;

/** From what a request selects to the models that must forget it, and the tasks for them. */
final class Resolution {
  private final IntakeStores stores;
  private final IntakeEmitter emitter;

  Resolution(IntakeStores stores, IntakeEmitter emitter) {
    this.stores = stores;
    this.emitter = emitter;
  }

  /** Accepts the request and emits its tasks; false when no model holds any of its samples. */
  boolean accept(DeletionRequest request, String key, IntakeRequest seen) {
    Map<String, List<String>> samplesByModel = samplesByModel(request);
    if (samplesByModel.isEmpty()) {
      return false;
    }
    stores.putErasure(
        key, LateData.erasure(request.getSelector(), request.getModels(), request.getRegulation()));
    accept(
        request.getRequestId(),
        IntakeRequest.newBuilder(seen).setErasureKey(key).build(),
        samplesByModel,
        null);
    return true;
  }

  /**
   * Emits the tasks of a request that has been resolved.
   *
   * @param followUpOf the request that it follows from, or null
   */
  void accept(
      UUID requestId,
      IntakeRequest seen,
      Map<String, List<String>> samplesByModel,
      UUID followUpOf) {
    Instant dueAt = seen.getDueAt().orElseThrow();
    List<String> models = List.copyOf(new TreeSet<>(samplesByModel.keySet()));
    stores.putRequest(
        requestId,
        IntakeRequest.newBuilder(seen)
            .setStage(IntakeStage.ACCEPTED)
            .clearWaitingKey()
            .setModels(models)
            .build());
    // Acceptance first: tracking must know the request before any model reports on it.
    emitter.emit(
        emitter
            .event(requestId, RequestEventKind.ACCEPTED)
            .setRegulation(seen.getRegulation())
            .setModels(models)
            .setReceivedAt(seen.getReceivedAt())
            .setDueAt(dueAt)
            .setFollowUpOf(followUpOf)
            .setTrace(seen.getTrace().orElse(null)));
    for (String modelId : models) {
      emitter.emit(
          ErasureTask.newBuilder()
              .setRequestId(requestId)
              .setModelId(modelId)
              .setCommand(RequestCommand.ERASE)
              .setSampleIds(samplesByModel.get(modelId))
              .setReceivedAt(seen.getReceivedAt())
              .setDueAt(dueAt)
              .setTrace(seen.getTrace().orElse(null))
              .build());
    }
  }

  private Map<String, List<String>> samplesByModel(DeletionRequest request) {
    Selector selector = request.getSelector();
    Map<String, List<String>> samplesByModel = new TreeMap<>();
    if (selector.getKind() == SelectorKind.SAMPLES) {
      collect(
          request.getModels(),
          selector.getDatasetId().orElseThrow(),
          selector.getSampleIds(),
          samplesByModel);
    } else {
      collectSubject(request.getModels(), selector.getSubjectId().orElseThrow(), samplesByModel);
    }
    return samplesByModel;
  }

  /** Adds the models that hold samples of the subject, by its lineage. */
  void collectSubject(
      List<String> named, String subjectId, Map<String, List<String>> samplesByModel) {
    try (KeyValueIterator<String, Lineage> found = stores.lineageOf(subjectId)) {
      while (found.hasNext()) {
        var entry = found.next();
        String datasetId = entry.key.substring(subjectId.length() + 1);
        collect(named, datasetId, entry.value.getSampleIds(), samplesByModel);
      }
    }
  }

  /**
   * Adds the models that were trained on the dataset.
   *
   * @param named the models that are meant; empty: all
   */
  void collect(
      List<String> named,
      String datasetId,
      List<String> sampleIds,
      Map<String, List<String>> samplesByModel) {
    if (sampleIds.isEmpty()) {
      return;
    }
    try (KeyValueIterator<String, String> models = stores.modelsOf(datasetId)) {
      while (models.hasNext()) {
        String modelId = models.next().key.substring(datasetId.length() + 1);
        if (named.isEmpty() || named.contains(modelId)) {
          samplesByModel.put(modelId, sampleIds);
        }
      }
    }
  }
}
