package io.lethe.topics;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherKey;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestSignal;
import io.lethe.events.UnlearningJob;
import io.lethe.schemas.serde.EventSerdes;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.RequestEvent;
import io.lethe.topics.Topic.Cleanup;
import io.lethe.topics.Topic.KeyedBy;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * The topics of the contract, typed. Creation, the topology, workers and commands take names and
 * serdes from here and nowhere else.
 */
public final class Topics {
  private static final int MIB = 1 << 20;
  private static final Duration TWO_MONTHS = Duration.ofDays(62);
  private static final Duration MONTH = Duration.ofDays(31);
  private static final Duration DAY = Duration.ofDays(1);

  private final Topic<String, ModelRegistered> models;
  private final Topic<String, ModelCommand> modelCommands;
  private final Topic<LineageKey, DatasetLineage> datasetLineage;
  private final Topic<String, DeletionRequest> deletionRequests;
  private final Topic<String, UnlearningJob> unlearningJobs;
  private final Topic<String, JobProgress> jobProgress;
  private final Topic<String, JobOutcome> jobOutcomes;
  private final Topic<FisherKey, FisherChunk> fisherUpdates;
  private final Topic<String, ModelVersion> modelVersions;
  private final Topic<String, ErasureReceipt> erasureReceipts;
  private final Topic<String, RequestSignal> requestSignals;
  private final Topic<String, RequestEvent> requestFeedback;
  private final Topic<byte[], byte[]> deadLetters;

  /**
   * @param prefix put before each name, e.g. {@code lethe.}
   * @param registry the {@code schema.registry.*} and serde settings
   */
  public Topics(String prefix, Map<String, ?> registry) {
    Serde<String> id = Serdes.String();
    models =
        new Topic<>(
            prefix + "models",
            KeyedBy.MODEL,
            k -> k,
            Cleanup.COMPACT,
            null,
            MIB,
            id,
            CloudEventSerde.of(ModelRegistered.class, registry));
    modelCommands =
        new Topic<>(
            prefix + "model-commands",
            KeyedBy.MODEL,
            k -> k,
            Cleanup.DELETE,
            MONTH,
            MIB,
            id,
            CloudEventSerde.of(ModelCommand.class, registry));
    datasetLineage =
        new Topic<>(
            prefix + "dataset-lineage",
            KeyedBy.SUBJECT,
            LineageKey::getSubjectId,
            Cleanup.COMPACT,
            null,
            8 * MIB,
            EventSerdes.of(LineageKey.class, registry, true),
            CloudEventSerde.of(DatasetLineage.class, registry));
    deletionRequests =
        new Topic<>(
            prefix + "deletion-requests",
            KeyedBy.SUBJECT,
            k -> k,
            Cleanup.DELETE,
            TWO_MONTHS,
            8 * MIB,
            id,
            CloudEventSerde.of(DeletionRequest.class, registry));
    unlearningJobs =
        new Topic<>(
            prefix + "unlearning-jobs",
            KeyedBy.MODEL,
            k -> k,
            Cleanup.DELETE,
            MONTH,
            16 * MIB,
            id,
            CloudEventSerde.of(UnlearningJob.class, registry));
    jobProgress =
        new Topic<>(
            prefix + "job-progress",
            KeyedBy.JOB,
            k -> k,
            Cleanup.DELETE,
            DAY,
            MIB,
            id,
            CloudEventSerde.of(JobProgress.class, registry));
    jobOutcomes =
        new Topic<>(
            prefix + "job-outcomes",
            KeyedBy.MODEL,
            k -> k,
            Cleanup.DELETE,
            MONTH,
            MIB,
            id,
            CloudEventSerde.of(JobOutcome.class, registry));
    fisherUpdates =
        new Topic<>(
            prefix + "fisher-updates",
            KeyedBy.MODEL,
            FisherKey::getModelId,
            Cleanup.DELETE,
            MONTH,
            MIB,
            EventSerdes.of(FisherKey.class, registry, true),
            CloudEventSerde.of(FisherChunk.class, registry));
    modelVersions =
        new Topic<>(
            prefix + "model-versions",
            KeyedBy.MODEL,
            k -> k,
            Cleanup.COMPACT,
            null,
            MIB,
            id,
            CloudEventSerde.of(ModelVersion.class, registry));
    erasureReceipts =
        new Topic<>(
            prefix + "erasure-receipts",
            KeyedBy.REQUEST,
            k -> k,
            Cleanup.COMPACT,
            null,
            MIB,
            id,
            CloudEventSerde.of(ErasureReceipt.class, registry));
    requestSignals =
        new Topic<>(
            prefix + "request-signals",
            KeyedBy.REQUEST,
            k -> k,
            Cleanup.DELETE,
            TWO_MONTHS,
            MIB,
            id,
            CloudEventSerde.of(RequestSignal.class, registry));
    requestFeedback =
        new Topic<>(
            prefix + "request-feedback",
            KeyedBy.SUBJECT,
            k -> k,
            Cleanup.DELETE,
            MONTH,
            MIB,
            id,
            StateSerde.of(RequestEvent.class));
    deadLetters =
        new Topic<>(
            prefix + "dead-letters",
            KeyedBy.SOURCE,
            k -> "",
            Cleanup.DELETE,
            TWO_MONTHS,
            16 * MIB,
            Serdes.ByteArray(),
            Serdes.ByteArray());
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

  /** Every topic, in the order of the contract. */
  public List<Topic<?, ?>> all() {
    return List.of(
        models,
        modelCommands,
        datasetLineage,
        deletionRequests,
        unlearningJobs,
        jobProgress,
        jobOutcomes,
        fisherUpdates,
        modelVersions,
        erasureReceipts,
        requestSignals,
        requestFeedback,
        deadLetters);
  }
}
