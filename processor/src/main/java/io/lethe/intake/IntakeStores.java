package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.state.IntakeRequest;
import io.lethe.state.Lineage;
import io.lethe.streams.StateStores;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;

/**
 * The stores of intake and the order of their keys. Iterators see the store as it was when they
 * were opened and must be closed.
 */
public final class IntakeStores {
  /** The models, all of them on each partition: they arrive on a topic that is broadcast. */
  public static final String MODELS_STORE = "intake-models";

  /** Models by dataset: a request must not look at every model. */
  public static final String DATASETS_STORE = "intake-datasets";

  /** Samples by subject and dataset. */
  public static final String LINEAGE_STORE = "intake-lineage";

  /** Requests seen. */
  public static final String REQUESTS_STORE = "intake-requests";

  /** Requests that wait for lineage or a model, by subject (or dataset) and request. */
  public static final String WAITING_STORE = "intake-waiting";

  /** Requests that wait, by the time since which they do. */
  public static final String GRACE_STORE = "intake-grace";

  static final char SEPARATOR = '\u0000';

  private static final String NOTHING = "";

  private final KeyValueStore<String, ModelRegistered> models;
  private final KeyValueStore<String, String> datasets;
  private final KeyValueStore<String, Lineage> lineage;
  private final KeyValueStore<String, IntakeRequest> requests;
  private final KeyValueStore<String, DeletionRequest> waiting;
  private final KeyValueStore<String, String> grace;

  IntakeStores(ProcessorContext<?, ?> context) {
    models = context.getStateStore(MODELS_STORE);
    datasets = context.getStateStore(DATASETS_STORE);
    lineage = context.getStateStore(LINEAGE_STORE);
    requests = context.getStateStore(REQUESTS_STORE);
    waiting = context.getStateStore(WAITING_STORE);
    grace = context.getStateStore(GRACE_STORE);
  }

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders() {
    return List.of(
        StateStores.ofRecords(MODELS_STORE, ModelRegistered.class),
        StateStores.of(DATASETS_STORE, Serdes.String(), Serdes.String()),
        StateStores.ofRecords(LINEAGE_STORE, Lineage.class),
        StateStores.ofRecords(REQUESTS_STORE, IntakeRequest.class),
        StateStores.ofRecords(WAITING_STORE, DeletionRequest.class),
        StateStores.of(GRACE_STORE, Serdes.String(), Serdes.String()));
  }

  ModelRegistered model(String modelId) {
    return models.get(modelId);
  }

  void put(ModelRegistered model) {
    models.put(model.getModelId(), model);
    datasets.put(model.getDatasetId() + SEPARATOR + model.getModelId(), NOTHING);
  }

  void delete(ModelRegistered model) {
    models.delete(model.getModelId());
    datasets.delete(model.getDatasetId() + SEPARATOR + model.getModelId());
  }

  /** Keys end with the ids of the models that were trained on the dataset. */
  KeyValueIterator<String, String> modelsOf(String datasetId) {
    return datasets.prefixScan(datasetId + SEPARATOR, new StringSerializer());
  }

  void putLineage(String subjectId, String datasetId, Lineage samples) {
    lineage.put(subjectId + SEPARATOR + datasetId, samples);
  }

  void deleteLineage(String subjectId, String datasetId) {
    lineage.delete(subjectId + SEPARATOR + datasetId);
  }

  /** Keys end with the ids of the datasets that hold samples of the subject. */
  KeyValueIterator<String, Lineage> lineageOf(String subjectId) {
    return lineage.prefixScan(subjectId + SEPARATOR, new StringSerializer());
  }

  IntakeRequest request(UUID requestId) {
    return requests.get(requestId.toString());
  }

  void putRequest(UUID requestId, IntakeRequest request) {
    requests.put(requestId.toString(), request);
  }

  DeletionRequest waiting(String key) {
    return waiting.get(key);
  }

  void putWaiting(String key, Instant since, DeletionRequest request) {
    waiting.put(key, request);
    grace.put(graceKey(since, request.getRequestId()), key);
  }

  void deleteWaiting(String key, Instant since, UUID requestId) {
    waiting.delete(key);
    grace.delete(graceKey(since, requestId));
  }

  /** Requests that wait, those whose key starts with the prefix. */
  KeyValueIterator<String, DeletionRequest> allWaiting(String prefix) {
    return waiting.prefixScan(prefix, new StringSerializer());
  }

  /** Keys of requests that wait since the given time or longer, the longest first. */
  KeyValueIterator<String, String> waitingSince(Instant time) {
    return grace.range(null, time.toEpochMilli() + "" + (char) (SEPARATOR + 1));
  }

  /** Milliseconds have 13 digits until the year 2286: they sort as text. */
  private static String graceKey(Instant since, UUID requestId) {
    return since.toEpochMilli() + "" + SEPARATOR + requestId;
  }
}
