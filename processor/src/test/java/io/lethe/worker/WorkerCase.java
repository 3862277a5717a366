package io.lethe.worker;

import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.FisherEncoding;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobKind;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import io.lethe.state.ForgetSet;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.TrainingRecipe;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;

/** A small model with its sums, and stores that a test fills by hand. */
final class WorkerCase {
  static final String DATASET =
      "synthetic:digits?samples=80&subjects=8&classes=3&side=8&seed=5#train";
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

  final SampleDataset dataset = Datasets.open(DATASET);
  final Recipe recipe =
      Recipe.of(
          BlockRecipe.mlp(dataset.sampleShape(), 3, 8),
          new TrainingRecipe(2, 16, 0.01, TrainingRecipe.Schedule.CONSTANT, 0, 1));
  final ArtifactStore artifacts;
  final Artifact anchor;
  final JobRunner runner;
  FisherSums sums;
  List<String> erased = List.of();
  List<String> excluded = List.of();
  List<String> erasedClasses = List.of();

  /** Samples of each subject, by dataset, as lineage has it. */
  Map<String, List<List<String>>> subjects = Map.of();

  List<String> excludedClasses = List.of();

  /** What an anchor from before an erasure has yet to forget. */
  List<String> carried = List.of();

  /** Whether the stores know nothing of the job any more. */
  boolean obsolete;

  HeldOutRows targets = new HeldOutRows(0, List.of(), new float[0]);
  private final Path directory;

  WorkerCase(Path directory) {
    this.directory = directory;
    URI store = ArtifactStores.location(directory.resolve("artifacts").toString());
    artifacts = ArtifactStores.open(store);
    anchor = model(1);
    try (LoadedModel model = load(anchor)) {
      FisherDiagonal all =
          new FisherComputer(model)
              .sum(dataset, IntStream.range(0, dataset.size()).toArray(), Progress.NONE);
      sums = new FisherSums(all, all.zero());
    }
    runner =
        new JobRunner(
            new WorkerSettings(
                "w",
                "g",
                store.toString(),
                directory,
                Duration.ofSeconds(30),
                URI.create("http://unused"),
                FisherEncoding.FLOAT32,
                "auto"),
            (modelId, anchorId) -> sums,
            this::forgetSet,
            (datasetId, samples, alive) ->
                subjects.getOrDefault(datasetId, List.of()).forEach(samples),
            Clock.fixed(NOW, ZoneOffset.UTC));
  }

  private ForgetSet forgetSet(String modelId, String anchorId, UUID jobId) {
    if (obsolete) {
      throw ForgetSetUnavailableException.obsolete();
    }
    return ForgetSet.newBuilder()
        .setModelId(modelId)
        .setAnchorId(anchorId)
        .setJobId(jobId)
        .setErased(erased)
        .setExcluded(excluded)
        .setErasedClasses(erasedClasses)
        .setExcludedClasses(excludedClasses)
        .setCarried(carried)
        .setClasses(targets.classes())
        .setTargetIds(targets.sampleIds())
        .setLogits(targets.bytes())
        .build();
  }

  /** A stored model with random weights. */
  Artifact model(long seed) {
    Path file = directory.resolve("model-" + seed + ".params");
    try (LoadedModel model = recipe.init().create(seed)) {
      model.write(file);
    }
    return artifacts.put(file);
  }

  LoadedModel load(Artifact artifact) {
    return LoadedModel.load(artifacts.fetch(artifact.uri(), artifact.sha256()), ModelFormat.DJL);
  }

  List<String> samples(int from, int to) {
    return IntStream.range(from, to).mapToObj(dataset::sampleId).toList();
  }

  /** A policy whose gate everything passes. */
  UnlearningPolicy.Builder policy() {
    return UnlearningPolicy.newBuilder()
        .setFolds(2)
        .setDeepclean(
            DeepCleanParameters.newBuilder()
                .setQuantile(0.1)
                .setReservoirSamples(20)
                .setRepairEpochs(0)
                .build())
        .setGate(
            GateThresholds.newBuilder()
                .setMaxRetainDrop(1)
                .setMaxHoldoutDrop(1)
                .setMaxClassAccuracy(1)
                .build());
  }

  UnlearningJob.Builder job(JobKind kind, List<String> samples) {
    return UnlearningJob.newBuilder()
        .setJobId(UUID.randomUUID())
        .setKind(kind)
        .setModelId("m")
        .setAttempt(1)
        .setAnchorId(anchor.sha256())
        .setFormat(ModelFormat.DJL)
        .setAnchorUri(anchor.uri().toString())
        .setAnchorSha256(anchor.sha256())
        .setDatasetUri(DATASET)
        .setSampleIds(samples)
        .setRecipe(recipe.toJson().toString())
        .setPolicy(policy().build())
        .setCreatedAt(NOW);
  }
}
