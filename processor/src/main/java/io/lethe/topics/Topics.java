package io.lethe.topics;

import static io.lethe.topics.Topic.KeyedBy.JOB;
import static io.lethe.topics.Topic.KeyedBy.MODEL;
import static io.lethe.topics.Topic.KeyedBy.REQUEST;
import static io.lethe.topics.Topic.KeyedBy.SUBJECT;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherKey;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.HeldOutKey;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestSignal;
import io.lethe.events.UnlearningJob;
import io.lethe.state.RequestEvent;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The topics of the contract, typed. Creation, the topology, workers and commands take names and
 * serdes from here and nowhere else.
 */
public final class Topics {
  private static final int MIB = 1 << 20;
  private static final Duration TWO_MONTHS = Duration.ofDays(62);
  private static final Duration MONTH = Duration.ofDays(31);
  private static final Duration DAY = Duration.ofDays(1);

  /** Of a try; a registry that is there answers within milliseconds. */
  private static final int TRY_MILLIS = 5_000;

  private final String prefix;
  private final Map<String, ?> registry;
  private final Topic<String, ModelRegistered> models;
  private final Topic<String, ModelCommand> modelCommands;
  private final Topic<LineageKey, DatasetLineage> datasetLineage;
  private final Topic<String, DeletionRequest> deletionRequests;
  private final Topic<String, UnlearningJob> unlearningJobs;
  private final Topic<String, JobProgress> jobProgress;
  private final Topic<String, JobOutcome> jobOutcomes;
  private final Topic<FisherKey, FisherChunk> fisherUpdates;
  private final Topic<HeldOutKey, HeldOutChunk> heldoutTargets;
  private final Topic<String, ModelVersion> modelVersions;
  private final Topic<String, ErasureReceipt> erasureReceipts;
  private final Topic<String, RequestSignal> requestSignals;
  private final Topic<String, RequestEvent> requestFeedback;
  private final Topic<byte[], byte[]> deadLetters;
  private final List<Topic<?, ?>> all;

  /**
   * @param prefix put before each name, e.g. {@code lethe.}
   * @param registry the {@code schema.registry.*} and serde settings
   */
  public Topics(String prefix, Map<String, ?> registry) {
    this.prefix = prefix;
    this.registry = Map.copyOf(registry);
    Declarations declare = new Declarations(prefix, registry);
    models = declare.event("models", ModelRegistered.class).keyedBy(MODEL).compacted();
    modelCommands = declare.event("model-commands", ModelCommand.class).keyedBy(MODEL).kept(MONTH);
    datasetLineage =
        declare
            .event("dataset-lineage", DatasetLineage.class)
            .keyedBy(SUBJECT, LineageKey.class, LineageKey::getSubjectId)
            .upTo(8 * MIB)
            .compacted();
    deletionRequests =
        declare
            .event("deletion-requests", DeletionRequest.class)
            .keyedBy(SUBJECT)
            .upTo(8 * MIB)
            .kept(TWO_MONTHS);
    unlearningJobs =
        declare
            .event("unlearning-jobs", UnlearningJob.class)
            .keyedBy(MODEL)
            .upTo(16 * MIB)
            .kept(MONTH);
    jobProgress = declare.event("job-progress", JobProgress.class).keyedBy(JOB).kept(DAY);
    jobOutcomes =
        declare.event("job-outcomes", JobOutcome.class).keyedBy(MODEL).upTo(16 * MIB).kept(MONTH);
    fisherUpdates =
        declare
            .event("fisher-updates", FisherChunk.class)
            .keyedBy(MODEL, FisherKey.class, FisherKey::getModelId)
            .kept(MONTH);
    heldoutTargets =
        declare
            .event("heldout-targets", HeldOutChunk.class)
            .keyedBy(MODEL, HeldOutKey.class, HeldOutKey::getModelId)
            .compacted();
    modelVersions = declare.event("model-versions", ModelVersion.class).keyedBy(MODEL).compacted();
    erasureReceipts =
        declare
            .event("erasure-receipts", ErasureReceipt.class)
            .keyedBy(REQUEST)
            .upTo(16 * MIB) // of a request to tens of thousands of models
            .compacted();
    requestSignals =
        declare.event("request-signals", RequestSignal.class).keyedBy(REQUEST).kept(TWO_MONTHS);
    requestFeedback =
        declare.state("request-feedback", RequestEvent.class).keyedBy(SUBJECT).kept(MONTH);
    deadLetters = declare.raw("dead-letters").upTo(16 * MIB).kept(TWO_MONTHS);
    all = declare.all();
  }

  /**
   * The same topics for one who asks a registry that is away again by himself: their serdes fail
   * after one short try at each of its addresses. Timeouts that the user has set stay.
   */
  public Topics askingOnce() {
    return new Topics(prefix, askingOnce(registry));
  }

  static Map<String, Object> askingOnce(Map<String, ?> registry) {
    Map<String, Object> once = new HashMap<>();
    once.put("http.connect.timeout.ms", TRY_MILLIS);
    once.put("http.read.timeout.ms", TRY_MILLIS);
    once.putAll(registry);
    once.put("max.retries", 0);
    return once;
  }

  public Topic<String, ModelRegistered> models() {
    return models;
  }

  /**
   * A person's word on a model whose job waits for one: run it again, or release it all the same.
   */
  public Topic<String, ModelCommand> modelCommands() {
    return modelCommands;
  }

  public Topic<LineageKey, DatasetLineage> datasetLineage() {
    return datasetLineage;
  }

  public Topic<String, DeletionRequest> deletionRequests() {
    return deletionRequests;
  }

  public Topic<String, UnlearningJob> unlearningJobs() {
    return unlearningJobs;
  }

  public Topic<String, JobProgress> jobProgress() {
    return jobProgress;
  }

  public Topic<String, JobOutcome> jobOutcomes() {
    return jobOutcomes;
  }

  public Topic<FisherKey, FisherChunk> fisherUpdates() {
    return fisherUpdates;
  }

  /** What models that never saw them say about samples; only until the stores have it. */
  public Topic<HeldOutKey, HeldOutChunk> heldoutTargets() {
    return heldoutTargets;
  }

  public Topic<String, ModelVersion> modelVersions() {
    return modelVersions;
  }

  public Topic<String, ErasureReceipt> erasureReceipts() {
    return erasureReceipts;
  }

  /** Warnings that a request's due date is near or has passed. */
  public Topic<String, RequestSignal> requestSignals() {
    return requestSignals;
  }

  /**
   * From tracking back to intake, inside the application: what has to reach the partition that
   * knows a request, which tracking names; the key, a requestId, does not decide it.
   */
  public Topic<String, RequestEvent> requestFeedback() {
    return requestFeedback;
  }

  public Topic<byte[], byte[]> deadLetters() {
    return deadLetters;
  }

  /** Every topic, in the order of the contract: that of their declarations. */
  public List<Topic<?, ?>> all() {
    return all;
  }
}
