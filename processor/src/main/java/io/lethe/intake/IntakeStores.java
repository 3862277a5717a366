package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.state.IntakeRequest;
import io.lethe.state.Lineage;
import io.lethe.state.SubjectErasure;
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

  /** Accepted requests that bind what arrives later, by subject (or dataset) and request. */
  public static final String ERASURES_STORE = "intake-erasures";

  static final char SEPARATOR = '\u0000';

  private static final String NOTHING = "";

  private final KeyValueStore<String, ModelRegistered> models;
  private final KeyValueStore<String, String> datasets;
  private final KeyValueStore<String, Lineage> lineage;
  private final KeyValueStore<String, IntakeRequest> requests;
  private final KeyValueStore<String, DeletionRequest> waiting;
  private final KeyValueStore<String, String> grace;
  private final KeyValueStore<String, SubjectErasure> erasures;

  IntakeStores(ProcessorContext<?, ?> context) {
    models = context.getStateStore(MODELS_STORE);
    datasets = context.getStateStore(DATASETS_STORE);
    lineage = context.getStateStore(LINEAGE_STORE);
    requests = context.getStateStore(REQUESTS_STORE);
    waiting = context.getStateStore(WAITING_STORE);
    grace = context.getStateStore(GRACE_STORE);
    erasures = context.getStateStore(ERASURES_STORE);
  }

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders(StateStores stores) {
    return List.of(
        stores.ofRecords(MODELS_STORE, ModelRegistered.class),
        stores.of(DATASETS_STORE, Serdes.String(), Serdes.String()),
        stores.ofRecords(LINEAGE_STORE, Lineage.class),
        stores.ofRecords(REQUESTS_STORE, IntakeRequest.class),
        stores.ofRecords(WAITING_STORE, DeletionRequest.class),
        stores.of(GRACE_STORE, Serdes.String(), Serdes.String()),
        stores.ofRecords(ERASURES_STORE, SubjectErasure.class));
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

  Lineage lineage(String subjectId, String datasetId) {
    return lineage.get(subjectId + SEPARATOR + datasetId);
  }

  /** The subject's samples in the dataset; empty where lineage names none. */
  List<String> samples(String subjectId, String datasetId) {
    Lineage found = lineage(subjectId, datasetId);
    return found == null ? List.of() : found.getSampleIds();
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

  SubjectErasure erasure(String key) {
    return erasures.get(key);
  }

  void putErasure(String key, SubjectErasure erasure) {
    erasures.put(key, erasure);
  }

  void deleteErasure(String key) {
    erasures.delete(key);
  }

  /** Requests that bind what arrives later, those whose key starts with the prefix. */
  KeyValueIterator<String, SubjectErasure> erasures(String prefix) {
    return startingWith(erasures, prefix);
  }

  /** Requests that wait, those whose key starts with the prefix. */
  KeyValueIterator<String, DeletionRequest> allWaiting(String prefix) {
    return startingWith(waiting, prefix);
  }

  /** Keys of requests that wait since the given time or longer, the longest first. */
  KeyValueIterator<String, String> waitingSince(Instant time) {
    return grace.range(null, time.toEpochMilli() + "" + (char) (SEPARATOR + 1));
  }

  private static <V> KeyValueIterator<String, V> startingWith(
      KeyValueStore<String, V> store, String prefix) {
    return prefix.isEmpty() ? store.all() : store.prefixScan(prefix, new StringSerializer());
  }

  /** Milliseconds have 13 digits until the year 2286: they sort as text. */
  private static String graceKey(Instant since, UUID requestId) {
    return since.toEpochMilli() + "" + SEPARATOR + requestId;
  }
}
