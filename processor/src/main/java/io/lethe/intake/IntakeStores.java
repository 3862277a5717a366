package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelRegistered;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.IntakeRequest;
import io.lethe.state.Lineage;
import io.lethe.state.ModelWalk;
import io.lethe.state.SubjectErasure;
import io.lethe.streams.StateStores;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
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

  /** How far models have been brought together with earlier requests, and how many there were. */
  public static final String WALKS_STORE = "intake-walks";

  static final char SEPARATOR = '\u0000';

  private static final String NOTHING = "";

  /** Among the walks, in the place of a model: how many models were registered. */
  private static final String EPOCH = "";

  private final KeyValueStore<String, ModelRegistered> models;
  private final KeyValueStore<String, String> datasets;
  private final KeyValueStore<String, Lineage> lineage;
  private final KeyValueStore<String, IntakeRequest> requests;
  private final KeyValueStore<String, DeletionRequest> waiting;
  private final KeyValueStore<String, String> grace;
  private final KeyValueStore<String, SubjectErasure> erasures;
  private final KeyValueStore<String, ModelWalk> walks;

  IntakeStores(ProcessorContext<?, ?> context) {
    models = context.getStateStore(MODELS_STORE);
    datasets = context.getStateStore(DATASETS_STORE);
    lineage = context.getStateStore(LINEAGE_STORE);
    requests = context.getStateStore(REQUESTS_STORE);
    waiting = context.getStateStore(WAITING_STORE);
    grace = context.getStateStore(GRACE_STORE);
    erasures = context.getStateStore(ERASURES_STORE);
    walks = context.getStateStore(WALKS_STORE);
  }

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders(StateStores stores) {
    return List.of(
        stores.ofRecords(MODELS_STORE, ModelRegistered.class),
        stores.ofFew(DATASETS_STORE, Serdes.String()),
        stores.ofRecords(LINEAGE_STORE, Lineage.class),
        stores.ofRecords(REQUESTS_STORE, IntakeRequest.class),
        stores.ofRecords(WAITING_STORE, DeletionRequest.class),
        stores.of(GRACE_STORE, Serdes.String(), Serdes.String()),
        stores.ofRecords(ERASURES_STORE, SubjectErasure.class),
        stores.ofFew(WALKS_STORE, StateSerde.of(ModelWalk.class)));
  }

  ModelRegistered model(String modelId) {
    return models.get(modelId);
  }

  KeyValueIterator<String, ModelRegistered> allModels() {
    return models.all();
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

  void deleteRequest(UUID requestId) {
    requests.put(requestId.toString(), null);
  }

  DeletionRequest waiting(String key) {
    return waiting.get(key);
  }

  void putWaiting(String key, Instant since, DeletionRequest request) {
    waiting.put(key, request);
    grace.put(graceKey(since, request.getRequestId()), key);
  }

  void deleteWaiting(String key, Instant since, UUID requestId) {
    waiting.put(key, null);
    stopClock(since, requestId);
  }

  /** Ends the grace period of a request that goes on waiting. */
  void stopClock(Instant since, UUID requestId) {
    grace.put(graceKey(since, requestId), null);
  }

  SubjectErasure erasure(String key) {
    return erasures.get(key);
  }

  void putErasure(String key, SubjectErasure erasure) {
    erasures.put(key, erasure);
  }

  void deleteErasure(String key) {
    erasures.put(key, null);
  }

  /** Requests that bind what arrives later, those whose key starts with the prefix. */
  KeyValueIterator<String, SubjectErasure> erasures(String prefix) {
    return erasures.prefixScan(prefix, new StringSerializer());
  }

  /** Requests that bind what arrives later, those after the key; null: all. */
  KeyValueIterator<String, SubjectErasure> erasuresAfter(String key) {
    return after(erasures, key);
  }

  /** Requests that wait, those whose key starts with the prefix. */
  KeyValueIterator<String, DeletionRequest> waitingFor(String prefix) {
    return waiting.prefixScan(prefix, new StringSerializer());
  }

  /** Requests that wait, those after the key; null: all. */
  KeyValueIterator<String, DeletionRequest> waitingAfter(String key) {
    return after(waiting, key);
  }

  /** At most so many keys of requests that wait since the time or longer, the longest first. */
  List<String> waitingSince(Instant time, int limit) {
    List<String> found = new ArrayList<>();
    String end = time.toEpochMilli() + "" + (char) (SEPARATOR + 1);
    try (KeyValueIterator<String, String> range = grace.range(null, end)) {
      while (range.hasNext() && found.size() < limit) {
        found.add(range.next().value);
      }
    }
    return found;
  }

  /** How many models have been registered for the first time, or after a retirement. */
  long epoch() {
    ModelWalk counter = walks.get(EPOCH);
    return counter == null ? 0 : counter.getEpoch();
  }

  void putEpoch(long epoch) {
    walks.put(EPOCH, ModelWalk.newBuilder().setEpoch(epoch).build());
  }

  /** Whether there are walks that are not done. */
  boolean hasWalks() {
    try (KeyValueIterator<String, ModelWalk> all = walks.all()) {
      while (all.hasNext()) {
        if (!all.next().key.equals(EPOCH)) {
          return true;
        }
      }
    }
    return false;
  }

  /** About how many requests a walk looks at. */
  long requestsToLookAt() {
    return erasures.approximateNumEntries() + waiting.approximateNumEntries();
  }

  /** Walks that are not done, by model. */
  Map<String, ModelWalk> walks() {
    Map<String, ModelWalk> open = new TreeMap<>();
    try (KeyValueIterator<String, ModelWalk> all = walks.all()) {
      all.forEachRemaining(entry -> open.put(entry.key, entry.value));
    }
    open.remove(EPOCH);
    return open;
  }

  void putWalk(String modelId, ModelWalk walk) {
    walks.put(modelId, walk);
  }

  void deleteWalk(String modelId) {
    walks.delete(modelId);
  }

  /** The smallest string after another is that one with a NUL behind it. */
  private static <V> KeyValueIterator<String, V> after(KeyValueStore<String, V> store, String key) {
    return key == null ? store.all() : store.range(key + SEPARATOR, null);
  }

  /** Milliseconds have 13 digits until the year 2286: they sort as text. */
  private static String graceKey(Instant since, UUID requestId) {
    return since.toEpochMilli() + "" + SEPARATOR + requestId;
  }
}
