package io.lethe.batching;

import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherStore;
import io.lethe.heldout.HeldOutStore;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelState;
import io.lethe.state.QuarantinedTask;
import io.lethe.streams.StateStores;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;

/**
 * The stores of batching and the order of their keys. Everything of one model is in one task.
 * Iterators see a store as it was when they were opened and must be closed. Where nobody asks what
 * was there, deleting is a put of null: {@code delete} looks for the old value first.
 */
public final class BatchingStores {
  /** State machines by model. */
  public static final String MODELS_STORE = "batching-models";

  /** Erasure tasks by model and arrival. */
  public static final String TASKS_STORE = "batching-tasks";

  /** Where a request's task is among those of the model. */
  public static final String TASK_INDEX_STORE = "batching-task-index";

  /** Tasks under a legal hold, and those that are set aside, by model and request. */
  public static final String HELD_STORE = "batching-held";

  /** Tasks and commands that came before their model's registration, by model and arrival. */
  public static final String EARLY_STORE = "batching-early";

  /** When the clock has to look at which model. */
  public static final String DEADLINES_STORE = "batching-deadlines";

  /** Jobs in flight by model. */
  public static final String JOBS_STORE = "batching-jobs";

  /** Erased samples by model and anchor: sample id to the job that erased it; and what is alike. */
  public static final String ERASED_STORE = "batching-erased";

  /** Fisher sums in chunks, see {@link FisherStore}. */
  public static final String FISHER_STORE = "batching-fisher";

  /** Held-out targets in rows, see {@link HeldOutStore}. */
  public static final String HELDOUT_STORE = "batching-heldout";

  /** Requests that a release served, until a model is trained without their samples. */
  public static final String QUARANTINE_STORE = "batching-quarantine";

  /** Of an ANCHOR job, whose record has room for more. */
  private static final int MAX_OBSOLETE = 100_000;

  private static final int MAX_OBSOLETE_BYTES = 8 << 20;

  private static final int MODELS_AT_HAND = 4_000;

  static final char SEPARATOR = '\u0000';

  /** In the place of an anchor: samples that were erased under earlier ones. */
  private static final String CARRIED = "";

  /** In the place of an anchor: models that know what was erased since. */
  private static final String OBSOLETE = "obsolete";

  /** In the place of an anchor: samples that the current one was trained without. */
  private static final String EXCLUDED = "excluded";

  private final KeyValueStore<String, ModelState> models;
  private final KeyValueStore<Bytes, ErasureTask> tasks;
  private final KeyValueStore<String, Long> taskIndex;
  private final KeyValueStore<String, ErasureTask> held;
  private final KeyValueStore<Bytes, ErasureTask> early;
  private final KeyValueStore<Bytes, byte[]> deadlines;
  private final KeyValueStore<String, UnlearningJob> jobs;
  private final KeyValueStore<String, UUID> erased;
  private final FisherStore fisher;
  private final HeldOutStore heldOut;
  private final KeyValueStore<String, QuarantinedTask> quarantine;

  BatchingStores(ProcessorContext<?, ?> context) {
    models = context.getStateStore(MODELS_STORE);
    tasks = context.getStateStore(TASKS_STORE);
    taskIndex = context.getStateStore(TASK_INDEX_STORE);
    held = context.getStateStore(HELD_STORE);
    early = context.getStateStore(EARLY_STORE);
    deadlines = context.getStateStore(DEADLINES_STORE);
    jobs = context.getStateStore(JOBS_STORE);
    erased = context.getStateStore(ERASED_STORE);
    fisher = new FisherStore(context.getStateStore(FISHER_STORE));
    heldOut = new HeldOutStore(context.getStateStore(HELDOUT_STORE));
    quarantine = context.getStateStore(QUARANTINE_STORE);
  }

  /** Builders of all stores. */
  public static List<StoreBuilder<?>> builders(StateStores stores) {
    return List.of(
        stores.ofBusyRecords(MODELS_STORE, ModelState.class, MODELS_AT_HAND),
        stores.of(TASKS_STORE, Serdes.Bytes(), StateSerde.of(ErasureTask.class)),
        stores.of(TASK_INDEX_STORE, Serdes.String(), Serdes.Long()),
        stores.ofRecords(HELD_STORE, ErasureTask.class),
        stores.of(EARLY_STORE, Serdes.Bytes(), StateSerde.of(ErasureTask.class)),
        stores.of(DEADLINES_STORE, Serdes.Bytes(), Serdes.ByteArray()),
        stores.ofRecords(JOBS_STORE, UnlearningJob.class),
        stores.of(ERASED_STORE, Serdes.String(), Serdes.UUID()),
        stores.of(FISHER_STORE, Serdes.Bytes(), Serdes.ByteArray()),
        stores.of(HELDOUT_STORE, Serdes.Bytes(), Serdes.ByteArray()),
        stores.ofRecords(QUARANTINE_STORE, QuarantinedTask.class));
  }

  ModelState model(String modelId) {
    return models.get(modelId);
  }

  /** Stores a model and moves its entry among the deadlines. */
  void put(ModelState state, Optional<Instant> deadline) {
    String modelId = state.getRegistration().getModelId();
    Optional<Instant> before = state.getDeadlineAt();
    if (!before.equals(deadline)) {
      before.ifPresent(at -> deadlines.put(deadlineKey(at, modelId), null));
      deadline.ifPresent(at -> deadlines.put(deadlineKey(at, modelId), new byte[0]));
    }
    models.put(modelId, ModelState.newBuilder(state).setDeadlineAt(deadline.orElse(null)).build());
  }

  /** At most so many models whose deadline is not after the given time, the longest due first. */
  List<String> due(Instant now, int limit) {
    List<String> due = new ArrayList<>();
    try (KeyValueIterator<Bytes, byte[]> range =
        deadlines.range(null, deadlineKey(now.plusMillis(1), ""))) {
      while (range.hasNext() && due.size() < limit) {
        byte[] key = range.next().key.get();
        due.add(new String(key, Long.BYTES, key.length - Long.BYTES, StandardCharsets.UTF_8));
      }
    }
    return due;
  }

  void putTask(long sequence, ErasureTask task) {
    tasks.put(ordered(task.getModelId(), sequence), task);
    taskIndex.put(byRequest(task), sequence);
  }

  /** Where the task of the command's (or the task's own) request is; null when it has none here. */
  Long sequence(ErasureTask command) {
    return taskIndex.get(byRequest(command));
  }

  ErasureTask task(String modelId, long sequence) {
    return tasks.get(ordered(modelId, sequence));
  }

  void deleteTask(long sequence, ErasureTask task) {
    tasks.put(ordered(task.getModelId(), sequence), null);
    taskIndex.put(byRequest(task), null);
  }

  /** Tasks with sequence numbers in [from, to), in order; there are gaps. */
  KeyValueIterator<Bytes, ErasureTask> tasks(String modelId, long from, long to) {
    return from < to
        ? tasks.range(ordered(modelId, from), ordered(modelId, to - 1))
        : tasks.range(ordered(modelId, Long.MAX_VALUE), ordered(modelId, Long.MAX_VALUE));
  }

  /** The sequence number in a key. */
  static long sequence(Bytes key) {
    return ByteBuffer.wrap(key.get()).getLong(key.get().length - Long.BYTES);
  }

  ErasureTask held(ErasureTask command) {
    return held.get(byRequest(command));
  }

  void putHeld(ErasureTask task) {
    held.put(byRequest(task), task);
  }

  void deleteHeld(ErasureTask task) {
    held.put(byRequest(task), null);
  }

  /** Tasks of the model under a legal hold, and those that are set aside. */
  KeyValueIterator<String, ErasureTask> allHeld(String modelId) {
    return held.prefixScan(modelId + SEPARATOR, new StringSerializer());
  }

  void putEarly(ErasureTask task, long offset) {
    early.put(ordered(task.getModelId(), offset), task);
  }

  /** What came before the model's registration, in order. */
  KeyValueIterator<Bytes, ErasureTask> early(String modelId) {
    return early.range(ordered(modelId, 0), ordered(modelId, Long.MAX_VALUE));
  }

  void deleteEarly(Bytes key) {
    early.put(key, null);
  }

  UnlearningJob job(String modelId) {
    return jobs.get(modelId);
  }

  void putJob(UnlearningJob job) {
    jobs.put(job.getModelId(), job);
  }

  void deleteJob(String modelId) {
    jobs.put(modelId, null);
  }

  /** Whether the current version has forgotten the sample, or never knew it. */
  boolean isErased(ModelState state, String sampleId) {
    String modelId = state.getRegistration().getModelId();
    return (state.getErasedSamples() > 0
            && erased.get(erasedKey(modelId, state.getAnchorId(), sampleId)) != null)
        || isExcluded(state, sampleId);
  }

  /** Whether the anchor was trained without the sample, as it had been erased. */
  boolean isExcluded(ModelState state, String sampleId) {
    String modelId = state.getRegistration().getModelId();
    // The state knows how many there are: looking for what is not there costs most of all.
    return state.getExcludedSamples() > 0
        && erased.get(erasedKey(modelId, EXCLUDED, sampleId)) != null;
  }

  /** Adds what a task asks to forget and the current version knows. */
  void collect(ModelState state, ErasureTask task, Set<String> samples, Set<String> classes) {
    task.getSampleIds().stream().filter(id -> !isErased(state, id)).forEach(samples::add);
    ErasedClasses known = classes(task.getModelId());
    task.getClasses().stream().filter(label -> !known.isForgotten(label)).forEach(classes::add);
  }

  void markErased(String modelId, String anchorId, String sampleId, UUID jobId) {
    erased.put(erasedKey(modelId, anchorId, sampleId), jobId);
  }

  /** Samples erased since the anchor, sorted. */
  static List<String> erased(
      ReadOnlyKeyValueStore<String, UUID> erased, String modelId, String anchorId) {
    String prefix = erasedKey(modelId, anchorId, "");
    List<String> found = new ArrayList<>();
    try (KeyValueIterator<String, UUID> range = erased.prefixScan(prefix, new StringSerializer())) {
      range.forEachRemaining(entry -> found.add(entry.key.substring(prefix.length())));
    }
    return found;
  }

  /** Samples set aside for this anchor, sorted. */
  static List<String> carried(ReadOnlyKeyValueStore<String, UUID> erased, String modelId) {
    return erased(erased, modelId, CARRIED);
  }

  /** Samples that the anchor was trained without, sorted. */
  static List<String> excluded(ReadOnlyKeyValueStore<String, UUID> erased, String modelId) {
    return erased(erased, modelId, EXCLUDED);
  }

  /**
   * Sets the samples erased under an anchor aside for the next one, and those that it was trained
   * without: nobody knows what the next was trained on. Returns how many are new.
   */
  int carry(String modelId, String anchorId) {
    return move(modelId, anchorId, CARRIED) + move(modelId, EXCLUDED, CARRIED);
  }

  /** The next anchor was trained without all that was erased; returns how many are new. */
  int exclude(String modelId, String anchorId) {
    return move(modelId, anchorId, EXCLUDED) + move(modelId, CARRIED, EXCLUDED);
  }

  private int move(String modelId, String from, String to) {
    String prefix = erasedKey(modelId, from, "");
    int moved = 0;
    try (KeyValueIterator<String, UUID> range = erased.prefixScan(prefix, new StringSerializer())) {
      while (range.hasNext()) {
        var entry = range.next();
        String key = erasedKey(modelId, to, entry.key.substring(prefix.length()));
        moved += erased.get(key) == null ? 1 : 0;
        erased.put(key, entry.value);
        erased.delete(entry.key);
      }
    }
    return moved;
  }

  /** Samples of those set aside, sorted: at least one, at most so many and of so many bytes. */
  List<String> carried(String modelId, int limit, int maxBytes) {
    return first(erased, erasedKey(modelId, CARRIED, ""), limit, maxBytes);
  }

  /** What follows the prefix in the first keys with it: at most so many, and of so many bytes. */
  static List<String> first(
      ReadOnlyKeyValueStore<String, UUID> erased, String prefix, int limit, int maxBytes) {
    List<String> found = new ArrayList<>();
    long bytes = 0;
    try (KeyValueIterator<String, UUID> range = erased.prefixScan(prefix, new StringSerializer())) {
      while (range.hasNext() && found.size() < limit && bytes < maxBytes) {
        String id = range.next().key.substring(prefix.length());
        found.add(id);
        bytes += id.getBytes(StandardCharsets.UTF_8).length;
      }
    }
    return found;
  }

  /** Returns whether it had been set aside. */
  boolean deleteCarried(String modelId, String sampleId) {
    return erased.delete(erasedKey(modelId, CARRIED, sampleId)) != null;
  }

  /** Remembers a model that knows what will be erased, to be deleted with the next anchor. */
  void addObsolete(String modelId, String artifactUri, UUID jobId) {
    erased.put(erasedKey(modelId, OBSOLETE, artifactUri), jobId);
  }

  /** Such models, as many as one job names; the rest is for the one after it. */
  List<String> obsolete(String modelId) {
    return first(erased, erasedKey(modelId, OBSOLETE, ""), MAX_OBSOLETE, MAX_OBSOLETE_BYTES);
  }

  void deleteObsolete(String modelId, String artifactUri) {
    erased.delete(erasedKey(modelId, OBSOLETE, artifactUri));
  }

  /** Artifacts that the model has had or made, beside the erased samples. */
  KnownArtifacts artifacts(String modelId) {
    return new KnownArtifacts(modelId, erased);
  }

  /** What is known of classes that were forgotten whole, beside the erased samples. */
  ErasedClasses classes(String modelId) {
    return new ErasedClasses(modelId, erased);
  }

  /**
   * Deletes what is known of erased samples, under every anchor; the models stay to be deleted, or
   * to be recognised.
   */
  void deleteErased(String modelId) {
    String obsolete = erasedKey(modelId, OBSOLETE, "");
    try (KeyValueIterator<String, UUID> range =
        erased.prefixScan(modelId + SEPARATOR, new StringSerializer())) {
      while (range.hasNext()) {
        String key = range.next().key;
        if (!key.startsWith(obsolete) && !artifacts(modelId).isKey(key)) {
          erased.delete(key);
        }
      }
    }
  }

  void putQuarantined(QuarantinedTask quarantined) {
    ErasureTask task = quarantined.getTask();
    quarantine.put(byRequest(task), quarantined);
  }

  /** Requests of the model that wait for a model trained without their samples. */
  KeyValueIterator<String, QuarantinedTask> quarantined(String modelId) {
    return quarantine.prefixScan(modelId + SEPARATOR, new StringSerializer());
  }

  void deleteQuarantined(String key) {
    quarantine.put(key, null);
  }

  FisherStore fisher() {
    return fisher;
  }

  /** Whether the job's Fisher update is in the sums of the model's anchor. */
  boolean isSummed(ModelState state, UUID jobId) {
    return fisher
        .state(state.getRegistration().getModelId(), state.getAnchorId())
        .filter(sums -> sums.getAppliedJobs().contains(jobId))
        .isPresent();
  }

  /** Whether the sums of the model's anchor are without any of its samples. */
  boolean hasErasedInSums(ModelState state) {
    return fisher
        .state(state.getRegistration().getModelId(), state.getAnchorId())
        .filter(sums -> sums.getErasedSamples() > 0)
        .isPresent();
  }

  HeldOutStore heldOut() {
    return heldOut;
  }

  /** Deletes an anchor's sums and targets. */
  void deleteAnchor(String modelId, String anchorId) {
    fisher.delete(modelId, anchorId);
    heldOut.delete(modelId, anchorId);
  }

  static String erasedKey(String modelId, String anchorId, String sampleId) {
    return modelId + SEPARATOR + anchorId + SEPARATOR + sampleId;
  }

  /** Two requests that came under one id are told apart by their content. */
  private static String byRequest(ErasureTask task) {
    ByteBuffer fingerprint = task.getFingerprint();
    String content =
        fingerprint.remaining() < Long.BYTES
            ? ""
            : Long.toHexString(fingerprint.getLong(fingerprint.position()));
    return task.getModelId() + SEPARATOR + task.getRequestId() + SEPARATOR + content;
  }

  private static Bytes ordered(String modelId, long number) {
    byte[] model = (modelId + SEPARATOR).getBytes(StandardCharsets.UTF_8);
    return Bytes.wrap(
        ByteBuffer.allocate(model.length + Long.BYTES).put(model).putLong(number).array());
  }

  private static Bytes deadlineKey(Instant at, String modelId) {
    byte[] model = modelId.getBytes(StandardCharsets.UTF_8);
    return Bytes.wrap(
        ByteBuffer.allocate(Long.BYTES + model.length)
            .putLong(Math.max(0, at.toEpochMilli()))
            .put(model)
            .array());
  }
}
