package io.lethe.bench;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.DeletionRequest;
import io.lethe.events.GateThresholds;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.Phase;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.streams.errors.InvalidStateStoreException;

/** Events that a bench sends: models, each with a dataset of its own, and their data subjects. */
final class Load {
  /** Digest of every model's file, and so the id of its anchor. */
  static final String ANCHOR_ID = "a".repeat(64);

  private final Topics topics;
  private final Sender sender;
  private final int models;
  private final int modelsPerDataset;

  /**
   * @param models number of models that data subjects are spread over, each with a dataset
   */
  Load(Topics topics, Sender sender, int models) {
    this(topics, sender, models, 1);
  }

  /**
   * @param models number of models
   * @param modelsPerDataset models that were trained on the same data
   */
  Load(Topics topics, Sender sender, int models, int modelsPerDataset) {
    this.topics = topics;
    this.sender = sender;
    this.models = models;
    this.modelsPerDataset = modelsPerDataset;
  }

  static String modelId(int model) {
    return "model-" + model;
  }

  static String datasetId(int dataset) {
    return "dataset-" + dataset;
  }

  /** Registers the models; batches fire at so many requests or after the given age. */
  void registerModels(int maxRequests, Duration maxAge) {
    for (int model = 0; model < models; model++) {
      sender.send(
          topics.models(),
          modelId(model),
          ModelRegistered.newBuilder()
              .setModelId(modelId(model))
              .setFormat(ModelFormat.DJL)
              .setArtifactUri("file:/bench/" + modelId(model))
              .setArtifactSha256(ANCHOR_ID)
              .setDatasetId(datasetId(model / modelsPerDataset))
              .setDatasetUri("synthetic:digits")
              .setPolicy(
                  UnlearningPolicy.newBuilder()
                      .setMaxRequests(maxRequests)
                      .setMaxSamples(Integer.MAX_VALUE)
                      .setMaxAgeMillis(maxAge.toMillis())
                      .setDeepclean(DeepCleanParameters.newBuilder().setQuantile(0.1).build())
                      .setGate(GateThresholds.newBuilder().build())
                      .build())
              .setRegisteredAt(Instant.now())
              .build());
    }
    sender.flush();
  }

  /** Waits until every model has its anchor and collects. */
  void awaitCollecting(StreamApp app) {
    Cluster.await("the topology", app::isReady);
    for (int model = 0; model < models; model++) {
      String modelId = modelId(model);
      Cluster.await("the anchor of " + modelId, () -> isCollecting(app, modelId));
    }
  }

  private static boolean isCollecting(StreamApp app, String modelId) {
    try {
      return app.model(modelId).filter(state -> state.getPhase() == Phase.COLLECTING).isPresent();
    } catch (InvalidStateStoreException e) {
      return false;
    }
  }

  /** Says that a data subject has one sample in the dataset of one model. */
  void lineage(int subject) {
    int dataset = subject % models / modelsPerDataset;
    sender.send(
        topics.datasetLineage(),
        new LineageKey(subjectId(subject), datasetId(dataset)),
        new DatasetLineage(
            subjectId(subject), datasetId(dataset), List.of("sample-" + subject), Instant.now()));
  }

  /** A new request of a data subject. */
  DeletionRequest request(int subject) {
    return DeletionRequest.newBuilder()
        .setRequestId(UUID.randomUUID())
        .setSelector(
            Selector.newBuilder()
                .setKind(SelectorKind.SUBJECT)
                .setSubjectId(subjectId(subject))
                .build())
        .setRegulation(Regulation.GDPR)
        .setReceivedAt(Instant.now())
        .build();
  }

  static String subjectId(int subject) {
    return "subject-" + subject;
  }
}
