package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.events.RequestCommand;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.ErasureTask;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.RequestEventKind;
import io.lethe.state.SubjectErasure;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
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
    stores.putErasure(key, erasure(request, samplesByModel.keySet()));
    accept(
        request.getRequestId(),
        IntakeRequest.newBuilder(seen).setErasureKey(key).build(),
        samplesByModel,
        request.getSelector().getClasses(),
        null);
    return true;
  }

  /** From now on the accepted request binds what arrives later. */
  private SubjectErasure erasure(DeletionRequest request, Set<String> accepting) {
    Selector selector = request.getSelector();
    return SubjectErasure.newBuilder()
        .setModels(request.getModels())
        .setRegulation(request.getRegulation())
        .setSampleIds(
            selector.getKind() == SelectorKind.SAMPLES ? selector.getSampleIds() : List.of())
        .setClasses(selector.getKind() == SelectorKind.CLASS ? selector.getClasses() : List.of())
        .setDatasets(
            selector.getKind() == SelectorKind.CLASS ? datasets(request, accepting) : List.of())
        .setBoundAt(emitter.now())
        .setEpoch(stores.epoch())
        .build();
  }

  /**
   * The datasets in which a class request concerns models that come later too; empty: any. A label
   * means something else in another dataset, so that without a name those count that there were.
   */
  private List<String> datasets(DeletionRequest request, Set<String> accepting) {
    Optional<String> named = request.getSelector().getDatasetId();
    if (named.isPresent() || !request.getModels().isEmpty()) {
      return named.map(List::of).orElse(List.of());
    }
    return accepting.stream()
        .map(modelId -> stores.model(modelId).getDatasetId())
        .distinct()
        .sorted()
        .toList();
  }

  /**
   * Emits the tasks of a request that has been resolved.
   *
   * @param classes that each of the models must forget as a whole
   * @param followUpOf the request that it follows from, or null
   */
  void accept(
      UUID requestId,
      IntakeRequest seen,
      Map<String, List<String>> samplesByModel,
      List<String> classes,
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
            .event(requestId, seen.getFingerprint(), RequestEventKind.ACCEPTED)
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
              .setFingerprint(seen.getFingerprint())
              .setSampleIds(samplesByModel.get(modelId))
              .setClasses(classes)
              .setReceivedAt(seen.getReceivedAt())
              .setDueAt(dueAt)
              .setTrace(seen.getTrace().orElse(null))
              .build());
    }
  }

  private Map<String, List<String>> samplesByModel(DeletionRequest request) {
    Selector selector = request.getSelector();
    Map<String, List<String>> samplesByModel = new TreeMap<>();
    List<String> named = request.getModels();
    switch (selector.getKind()) {
      case SUBJECT -> collectSubject(named, selector.getSubjectId().orElseThrow(), samplesByModel);
      case SAMPLES ->
          collect(
              named,
              selector.getDatasetId().orElseThrow(),
              selector.getSampleIds(),
              samplesByModel);
      case CLASS ->
          collectModels(
              named, selector.getDatasetId().map(List::of).orElse(List.of()), samplesByModel);
    }
    return samplesByModel;
  }

  /**
   * Adds the models that there are, without samples: a class needs no lineage.
   *
   * @param named the models that are meant; empty: all
   * @param datasets that they must have been trained on; empty: any
   */
  void collectModels(
      List<String> named, List<String> datasets, Map<String, List<String>> samplesByModel) {
    try (KeyValueIterator<String, ModelRegistered> models = stores.allModels()) {
      while (models.hasNext()) {
        ModelRegistered model = models.next().value;
        boolean meant = named.isEmpty() || named.contains(model.getModelId());
        if (meant && (datasets.isEmpty() || datasets.contains(model.getDatasetId()))) {
          samplesByModel.put(model.getModelId(), List.of());
        }
      }
    }
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
