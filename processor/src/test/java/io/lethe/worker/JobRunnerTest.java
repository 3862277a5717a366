package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.types.DataType;
import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.FisherEncoding;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelFormat;
import io.lethe.events.ReleaseMode;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSource;
import io.lethe.fisher.FisherSums;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import io.lethe.model.TorchScriptFiles;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.state.ForgetSet;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Progress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class JobRunnerTest {
  private static final String DATASET =
      "synthetic:digits?samples=80&subjects=8&classes=3&side=8&seed=5#train";
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

  @TempDir Path directory;
  private final SampleDataset dataset = Datasets.open(DATASET);
  private Artifact anchor;
  private FisherSums sums;
  private List<String> erased = List.of();
  private List<String> excluded = List.of();
  private HeldOutRows targets = new HeldOutRows(0, List.of(), new float[0]);
  private JobRunner runner;

  @BeforeEach
  void start() {
    Path file = directory.resolve("anchor.params");
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(dataset.sampleShape(), 3, 8), 1)) {
      model.write(file);
      FisherDiagonal all =
          new FisherComputer(model)
              .sum(dataset, IntStream.range(0, dataset.size()).toArray(), Progress.NONE);
      sums = new FisherSums(all, all.zero());
    }
    anchor = ArtifactStores.open(ArtifactStores.location(artifacts())).put(file);
    runner = runner((modelId, anchorId) -> sums);
  }

  private String artifacts() {
    return directory.resolve("artifacts").toString();
  }

  private JobRunner runner(FisherSource fisher) {
    WorkerSettings settings =
        new WorkerSettings(
            "w",
            "g",
            artifacts(),
            directory,
            Duration.ofSeconds(30),
            URI.create("http://unused"),
            FisherEncoding.FLOAT32,
            "auto");
    return new JobRunner(
        settings,
        fisher,
        this::forgetSet,
        (datasetId, samples, alive) -> {},
        Clock.fixed(NOW, ZoneOffset.UTC));
  }

  private ForgetSet forgetSet(String modelId, String anchorId, UUID jobId) {
    return ForgetSet.newBuilder()
        .setModelId(modelId)
        .setAnchorId(anchorId)
        .setJobId(jobId)
        .setErased(erased)
        .setExcluded(excluded)
        .setClasses(targets.classes())
        .setTargetIds(targets.sampleIds())
        .setLogits(targets.bytes())
        .build();
  }

  /** A gate that nothing passes. */
  private UnlearningJob.Builder job(List<String> samples) {
    return UnlearningJob.newBuilder()
        .setJobId(new UUID(1, 1))
        .setKind(JobKind.UNLEARN)
        .setModelId("m")
        .setAttempt(1)
        .setAnchorId(anchor.sha256())
        .setFormat(ModelFormat.DJL)
        .setAnchorUri(anchor.uri().toString())
        .setAnchorSha256(anchor.sha256())
        .setDatasetUri(DATASET)
        .setSampleIds(samples)
        .setPolicy(
            UnlearningPolicy.newBuilder()
                .setDeepclean(
                    DeepCleanParameters.newBuilder()
                        .setQuantile(0.1)
                        .setReservoirSamples(20)
                        .setRepairEpochs(1)
                        .build())
                .setGate(
                    GateThresholds.newBuilder().setMaxRetainDrop(-1).setMaxHoldoutDrop(-1).build())
                .build())
        .setCreatedAt(NOW);
  }

  private List<String> firstSamples(int count) {
    return IntStream.range(0, count).mapToObj(dataset::sampleId).toList();
  }

  @Test
  void aReleaseThatFailsItsGateIsHeldAndChangesNoSums() {
    // When
    JobResult result = runner.run(job(firstSamples(4)).build(), Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.update()).isEmpty();
  }

  @Test
  void aPersonsReleaseStandsOverTheGateWhoseChecksStayOnRecord() {
    // When
    JobResult result =
        runner.run(job(firstSamples(4)).setGateOverridden(true).build(), Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getChecks()).anyMatch(check -> !check.getPassed());
    assertThat(result.update().orElseThrow().sums().samples()).isEqualTo(4);
  }

  @Test
  void whatAPersonReleasesIsTheModelThatWasHeld() {
    // Given
    JobOutcome held = runner.run(job(firstSamples(4)).build(), Progress.NONE).outcome();
    UnlearningJob release =
        job(firstSamples(4))
            .setGateOverridden(true)
            .setHeldSha256(held.getArtifactSha256().orElseThrow())
            .build();

    // When
    JobOutcome same = runner.run(release, Progress.NONE).outcome();
    JobResult another =
        runner.run(
            UnlearningJob.newBuilder(release).setHeldSha256("e".repeat(64)).build(), Progress.NONE);

    // Then: a person sees the figures of the other one before it is published
    assertThat(same.getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(same.getError()).isEmpty();
    assertThat(another.outcome().getVerdict()).isEqualTo(Verdict.HOLD);
    assertThat(another.outcome().getError().orElseThrow()).contains("another model");
    assertThat(another.outcome().getArtifactSha256()).isEqualTo(held.getArtifactSha256());
    assertThat(another.outcome().getChecks()).isNotEmpty();
    assertThat(another.outcome().getFisherSamples()).isZero();
    assertThat(another.update()).isEmpty();
  }

  @Test
  void aJobWaitsWhileTheStoresAreNotOpen() {
    // Given
    AtomicInteger asked = new AtomicInteger();
    FisherSource starting =
        (modelId, anchorId) -> {
          if (asked.incrementAndGet() < 3) {
            throw new FisherUnavailableException("the stores are not open", null);
          }
          return sums;
        };

    // When
    JobResult result =
        runner(starting).run(job(firstSamples(4)).setGateOverridden(true).build(), Progress.NONE);

    // Then
    assertThat(asked).hasValue(3);
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
  }

  @Test
  void aSampleThatTheDatasetLacksIsNeverClaimedToBeForgotten() {
    // When
    JobResult result = runner.run(job(List.of("gone")).build(), Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.FAILED);
    assertThat(result.outcome().getRetryable()).isFalse();
    assertThat(result.outcome().getError().orElseThrow()).doesNotContain("gone");
    assertThat(result.outcome().getUnknownSampleIds()).containsExactly("gone");
    assertThat(result.update()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(
      value = ReleaseMode.class,
      names = {"ANCHORED", "CHAINED"})
  void itSaysWhichSamplesTheDatasetLacks(ReleaseMode mode) {
    // Given: of what was erased before nothing is asked
    sums = new FisherSums(sums.retained(), new FisherDiagonal(sums.retained().zero().tensors(), 1));
    erased = List.of("long gone");
    List<String> samples = new ArrayList<>(List.of("nowhere", "gone"));
    samples.addAll(firstSamples(4));
    UnlearningJob job = job(samples).setErasedSamples(1).build();
    UnlearningJob ofMode =
        UnlearningJob.newBuilder(job)
            .setParentUri(mode == ReleaseMode.CHAINED ? anchor.uri().toString() : null)
            .setParentSha256(mode == ReleaseMode.CHAINED ? anchor.sha256() : null)
            .setPolicy(UnlearningPolicy.newBuilder(job.getPolicy()).setMode(mode).build())
            .build();

    // When
    JobResult result = runner.run(ofMode, Progress.NONE);

    // Then
    assertThat(result.outcome().getUnknownSampleIds()).containsExactly("nowhere", "gone");
    assertThat(result.outcome().getError())
        .contains("the dataset lacks 2 of 6 samples that the job names");
  }

  @Test
  void noOutcomeNamesMoreThanItsRecordTakes() {
    // Given
    List<String> ids = List.of("ä1", "ä2", "ä3");

    // Then: three bytes each, and two for its length
    assertThat(Outcomes.fitting(ids, 15)).isEqualTo(ids);
    assertThat(Outcomes.fitting(ids, 14)).containsExactly("ä1", "ä2");
    assertThat(Outcomes.fitting(ids, 10)).containsExactly("ä1", "ä2");
    assertThat(Outcomes.fitting(ids, 9)).containsExactly("ä1");
  }

  @Test
  void aMillionUnknownSamplesFitIntoOneRecord() {
    // Given: more than a record of 16 MiB takes
    List<String> many =
        IntStream.range(0, 1_000_000).mapToObj("a-rather-long-%07d"::formatted).toList();

    // When
    JobOutcome outcome = runner.run(job(many).build(), Progress.NONE).outcome();

    // Then: the first of them, so that the next offer fails by others
    assertThat(outcome.getUnknownSampleIds()).startsWith(many.get(0)).hasSizeGreaterThan(500_000);
    assertThat(StateSerde.of(JobOutcome.class).serializer().serialize("", outcome).length)
        .isBetween(11 << 20, 12 << 20);
  }

  @Test
  void erasedSamplesMayBeGoneFromTheSource() {
    // Given: an earlier batch erased a sample that the source has deleted since
    sums = new FisherSums(sums.retained(), new FisherDiagonal(sums.retained().zero().tensors(), 1));
    erased = List.of("gone");

    // When
    JobResult result =
        runner.run(
            job(firstSamples(4)).setErasedSamples(1).setGateOverridden(true).build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
  }

  @Test
  void anAnchorThatWasTrainedWithoutTheErasedIsReleasedAsItIs() {
    // When
    JobResult result =
        runner.run(job(List.of("gone", "too")).setCarriedOver(true).build(), Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getArtifactSha256()).contains(anchor.sha256());
    assertThat(result.outcome().getMethod()).contains("none");
    assertThat(result.update().orElseThrow().sums().samples()).isZero();
  }

  @Test
  void anAnchorFromBeforeTheErasureIsNotReleasedForWhatTheDatasetLacks() {
    // Given: one of the samples is still there
    UnlearningJob returned =
        job(List.of("gone", firstSamples(1).get(0)))
            .setCarriedOver(true)
            .setAnchorReturned(true)
            .build();

    // When
    JobResult result = runner.run(returned, Progress.NONE);

    // Then: held, until a person says that it never knew them
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.outcome().getError().orElseThrow())
        .contains("before an erasure", "lacks 1 of 2 samples")
        .doesNotContain("gone");
    assertThat(result.outcome().getArtifactSha256()).isEmpty();
    assertThat(result.update()).isEmpty();
    assertThat(
            runner
                .run(
                    UnlearningJob.newBuilder(returned).setGateOverridden(true).build(),
                    Progress.NONE)
                .outcome()
                .getVerdict())
        .isEqualTo(Verdict.RELEASE);
  }

  @Test
  void aTorchScriptModelIsAnchoredAndUnlearned() {
    // Given
    String data = "npz:" + TorchScriptFiles.file("data.npz");
    Artifact script =
        ArtifactStores.open(ArtifactStores.location(artifacts()))
            .put(TorchScriptFiles.file("scripted.pt"));
    UnlearningJob job =
        job(List.of("1", "4"))
            .setKind(JobKind.ANCHOR)
            .setFormat(ModelFormat.TORCHSCRIPT)
            .setAnchorUri(script.uri().toString())
            .setAnchorSha256(script.sha256())
            .setDatasetUri(data)
            .setHoldoutUri(data)
            .setGateOverridden(true)
            .build();

    // When
    FisherDiagonal all = runner.run(job, Progress.NONE).update().orElseThrow().sums();
    sums = new FisherSums(all, all.zero());
    JobResult result =
        runner.run(UnlearningJob.newBuilder(job).setKind(JobKind.UNLEARN).build(), Progress.NONE);

    // Then
    assertThat(all.samples()).isEqualTo(12);
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.update().orElseThrow().sums().samples()).isEqualTo(2);
    Path released = Path.of(URI.create(result.outcome().getArtifactUri().orElseThrow()));
    try (LoadedModel before = TorchScriptFiles.load("scripted.pt");
        LoadedModel after = LoadedModel.load(released, ModelFormat.TORCHSCRIPT)) {
      assertThat(after.weights())
          .extracting(LoadedModel.Weight::name)
          .containsExactlyElementsOf(
              before.weights().stream().map(LoadedModel.Weight::name).toList());
      assertThat(after.weights())
          .anyMatch(
              weight -> weight.array().eq(0).sum().toType(DataType.INT64, true).getLong() > 0);
    }
  }
}
