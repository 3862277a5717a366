package io.lethe.batching;

import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherStore;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.streams.StateStores;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Consumer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;

/** The stores of batching and the order of their keys. Everything of one model is in one task. */
public final class BatchingStores {
  /** State machines by model. */
  public static final String MODELS_STORE = "batching-models";

  /** Erasure tasks by model and arrival. */
  public static final String TASKS_STORE = "batching-tasks";

  /** Jobs in flight by model. */
  public static final String JOBS_STORE = "batching-jobs";

  /** Erased samples by model and anchor: sample id to the job that erased it. */
  public static final String ERASED_STORE = "batching-erased";

  /** Fisher sums in chunks, see {@link FisherStore}. */
  public static final String FISHER_STORE = "batching-fisher";

  private static final char SEPARATOR = '\u0000';

  private final KeyValueStore<String, ModelState> models;
  private final KeyValueStore<Bytes, ErasureTask> tasks;
  private final KeyValueStore<String, UnlearningJob> jobs;
  private final KeyValueStore<String, UUID> erased;
  private final FisherStore fisher;

  BatchingStores(ProcessorContext<?, ?> context) {
    models = context.getStateStore(MODELS_STORE);
    tasks = context.getStateStore(TASKS_STORE);
    jobs = context.getStateStore(JOBS_STORE);
    erased = context.getStateStore(ERASED_STORE);
    fisher = new FisherStore(context.getStateStore(FISHER_STORE));
  }

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders() {
    return List.of(
        StateStores.ofRecords(MODELS_STORE, ModelState.class),
        StateStores.of(TASKS_STORE, Serdes.Bytes(), StateSerde.of(ErasureTask.class)),
        StateStores.ofRecords(JOBS_STORE, UnlearningJob.class),
        StateStores.of(ERASED_STORE, Serdes.String(), Serdes.UUID()),
        StateStores.of(FISHER_STORE, Serdes.Bytes(), Serdes.ByteArray()));
  }

  ModelState model(String modelId) {
    return models.get(modelId);
  }

  void put(ModelState state) {
    models.put(state.getRegistration().getModelId(), state);
  }

  void forEachModel(Consumer<ModelState> action) {
    try (KeyValueIterator<String, ModelState> all = models.all()) {
      all.forEachRemaining(entry -> action.accept(entry.value));
    }
  }

  void putTask(long sequence, ErasureTask task) {
    tasks.put(taskKey(task.getModelId(), sequence), task);
  }

  /** Tasks with sequence numbers in [from, to), in order. */
  List<ErasureTask> tasks(String modelId, long from, long to) {
    List<ErasureTask> found = new ArrayList<>();
    if (from < to) {
      try (KeyValueIterator<Bytes, ErasureTask> range =
          tasks.range(taskKey(modelId, from), taskKey(modelId, to - 1))) {
        range.forEachRemaining(entry -> found.add(entry.value));
      }
    }
    return found;
  }

  void deleteTasks(String modelId, long from, long to) {
    for (long sequence = from; sequence < to; sequence++) {
      tasks.delete(taskKey(modelId, sequence));
    }
  }

  UnlearningJob job(String modelId) {
    return jobs.get(modelId);
  }

  void putJob(UnlearningJob job) {
    jobs.put(job.getModelId(), job);
  }

  void deleteJob(String modelId) {
    jobs.delete(modelId);
  }

  boolean isErased(String modelId, String anchorId, String sampleId) {
    return erased.get(erasedKey(modelId, anchorId, sampleId)) != null;
  }

  void markErased(String modelId, String anchorId, String sampleId, UUID jobId) {
    erased.put(erasedKey(modelId, anchorId, sampleId), jobId);
  }

  /** Samples erased since the anchor, sorted. */
  List<String> erased(String modelId, String anchorId) {
    String prefix = erasedKey(modelId, anchorId, "");
    List<String> found = new ArrayList<>();
    try (KeyValueIterator<String, UUID> range = erased.prefixScan(prefix, new StringSerializer())) {
      range.forEachRemaining(entry -> found.add(entry.key.substring(prefix.length())));
    }
    return found;
  }

  FisherStore fisher() {
    return fisher;
  }

  private static String erasedKey(String modelId, String anchorId, String sampleId) {
    return modelId + SEPARATOR + anchorId + SEPARATOR + sampleId;
  }

  private static Bytes taskKey(String modelId, long sequence) {
    byte[] model = (modelId + SEPARATOR).getBytes(StandardCharsets.UTF_8);
    return Bytes.wrap(
        ByteBuffer.allocate(model.length + Long.BYTES).put(model).putLong(sequence).array());
  }
}
