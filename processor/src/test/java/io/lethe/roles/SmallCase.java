package io.lethe.roles;

import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.DeletionRequest;
import io.lethe.events.GateThresholds;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import io.lethe.topics.EventProducer;
import io.lethe.topics.Topics;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.TrainingRecipe;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.IntStream;

/** A small dataset of 30 people and a small trained model, for tests against the real stack. */
public final class SmallCase {
  public static final String DATASET =
      "synthetic:digits?samples=600&subjects=30&classes=4&side=12&seed=3";
  public static final String DATASET_ID = "small";

  private final SampleDataset dataset = Datasets.open(DATASET + "#train");
  private final Map<String, List<String>> samples = new TreeMap<>();
  private final EventProducer producer;
  private final Topics topics;

  public SmallCase(EventProducer producer, Topics topics) {
    this.producer = producer;
    this.topics = topics;
    for (int i = 0; i < dataset.size(); i++) {
      samples
          .computeIfAbsent(dataset.subject(i).orElseThrow(), name -> new ArrayList<>())
          .add(dataset.sampleId(i));
    }
  }

  public SampleDataset dataset() {
    return dataset;
  }

  /** Names of the people, in order. */
  public List<String> subjects() {
    return List.copyOf(samples.keySet());
  }

  public List<String> samplesOf(String subject) {
    return samples.get(subject);
  }

  /** Trains a model for an epoch and stores it. */
  public Artifact train(Path folder, long seed) {
    Path file = folder.resolve("small-" + seed + ".params");
    try (LoadedModel model =
        LoadedModel.create(BlockRecipe.cnn(dataset.sampleShape(), 4, 8, 16), seed)) {
      new Trainer(new TrainingRecipe(1, 32, 0.005, TrainingRecipe.Schedule.CONSTANT, 0, seed))
          .train(model, dataset, IntStream.range(0, dataset.size()).toArray(), Progress.NONE);
      model.write(file);
    }
    return ArtifactStores.open(ArtifactStores.location(folder.resolve("models").toString()))
        .put(file);
  }

  /** A policy whose gate lets everything pass, as far as its ladder and thresholds go. */
  public static UnlearningPolicy policy(int maxRequests, int repairEpochs) {
    return UnlearningPolicy.newBuilder()
        .setMaxRequests(maxRequests)
        .setDeepclean(
            DeepCleanParameters.newBuilder()
                .setQuantile(0.05)
                .setReservoirSamples(300)
                .setRepairEpochs(repairEpochs)
                .build())
        .setGate(
            GateThresholds.newBuilder()
                .setMaxRetainDrop(1)
                .setMaxHoldoutDrop(1)
                .setMaxForgetGap(1.0)
                .setMaxMembershipGap(1.0)
                .build())
        .build();
  }

  public void register(String modelId, Artifact artifact, UnlearningPolicy policy) {
    register(modelId, artifact, policy, null);
  }

  /** Registers a model with a training recipe. */
  public void register(String modelId, Artifact artifact, UnlearningPolicy policy, String recipe) {
    register(modelId, artifact, policy, recipe, DATASET_ID);
  }

  /** Registers a model whose dataset goes by another name. */
  public void register(
      String modelId, Artifact artifact, UnlearningPolicy policy, String recipe, String datasetId) {
    producer
        .send(
            topics.models(),
            modelId,
            ModelRegistered.newBuilder()
                .setModelId(modelId)
                .setFormat(ModelFormat.DJL)
                .setArtifactUri(artifact.uri().toString())
                .setArtifactSha256(artifact.sha256())
                .setDatasetId(datasetId)
                .setDatasetUri(DATASET + "#train")
                .setHoldoutUri(DATASET + "#test")
                .setPolicy(policy)
                .setRecipe(recipe)
                .setRegisteredAt(Clock.systemUTC().instant())
                .build())
        .join();
  }

  public void publishLineage() {
    samples.forEach(
        (subject, ids) ->
            producer
                .send(
                    topics.datasetLineage(),
                    new LineageKey(subject, DATASET_ID),
                    new DatasetLineage(subject, DATASET_ID, ids, Clock.systemUTC().instant()))
                .join());
  }

  /** Asks one model, or all where modelId is null, to forget a person. */
  public UUID request(String subject, String modelId) {
    return requestOf(subject, modelId == null ? List.of() : List.of(modelId));
  }

  /** Asks models to forget a person; empty: all that hold its data. */
  public UUID requestOf(String subject, List<String> modelIds) {
    UUID id = UUID.randomUUID();
    producer
        .send(
            topics.deletionRequests(),
            subject,
            DeletionRequest.newBuilder()
                .setRequestId(id)
                .setSelector(
                    Selector.newBuilder()
                        .setKind(SelectorKind.SUBJECT)
                        .setSubjectId(subject)
                        .build())
                .setModels(modelIds)
                .setReceivedAt(Clock.systemUTC().instant())
                .build())
        .join();
    return id;
  }
}
