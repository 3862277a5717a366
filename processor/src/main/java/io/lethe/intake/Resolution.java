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
  boolean accept(DeletionRequest request, IntakeRequest seen) {
    Map<String, List<String>> samplesByModel = samplesByModel(request);
    if (samplesByModel.isEmpty()) {
      return false;
    }
    Instant dueAt = seen.getDueAt().orElseThrow();
    List<String> models = List.copyOf(samplesByModel.keySet());
    stores.putRequest(
        request.getRequestId(),
        IntakeRequest.newBuilder(seen)
            .setStage(IntakeStage.ACCEPTED)
            .clearWaitingKey()
            .setModels(models)
            .build());
    // Acceptance first: tracking must know the request before any model reports on it.
    emitter.emit(
        emitter
            .event(request.getRequestId(), RequestEventKind.ACCEPTED)
            .setRegulation(request.getRegulation())
            .setModels(models)
            .setReceivedAt(request.getReceivedAt())
            .setDueAt(dueAt));
    samplesByModel.forEach(
        (modelId, sampleIds) ->
            emitter.emit(
                ErasureTask.newBuilder()
                    .setRequestId(request.getRequestId())
                    .setModelId(modelId)
                    .setCommand(RequestCommand.ERASE)
                    .setSampleIds(sampleIds)
                    .setReceivedAt(request.getReceivedAt())
                    .setDueAt(dueAt)
                    .build()));
    return true;
  }

  private Map<String, List<String>> samplesByModel(DeletionRequest request) {
    Selector selector = request.getSelector();
    Map<String, List<String>> samplesByModel = new TreeMap<>();
    if (selector.getKind() == SelectorKind.SAMPLES) {
      collect(
          request, selector.getDatasetId().orElseThrow(), selector.getSampleIds(), samplesByModel);
      return samplesByModel;
    }
    String subjectId = selector.getSubjectId().orElseThrow();
    try (KeyValueIterator<String, Lineage> found = stores.lineageOf(subjectId)) {
      while (found.hasNext()) {
        var entry = found.next();
        String datasetId = entry.key.substring(subjectId.length() + 1);
        collect(request, datasetId, entry.value.getSampleIds(), samplesByModel);
      }
    }
    return samplesByModel;
  }

  private void collect(
      DeletionRequest request,
      String datasetId,
      List<String> sampleIds,
      Map<String, List<String>> samplesByModel) {
    if (sampleIds.isEmpty()) {
      return;
    }
    try (KeyValueIterator<String, String> models = stores.modelsOf(datasetId)) {
      while (models.hasNext()) {
        String modelId = models.next().key.substring(datasetId.length() + 1);
        if (request.getModels().isEmpty() || request.getModels().contains(modelId)) {
          samplesByModel.put(modelId, sampleIds);
        }
      }
    }
  }
}
