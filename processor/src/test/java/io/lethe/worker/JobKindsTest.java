package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.artifact.Artifact;
import io.lethe.artifact.Sha256;
import io.lethe.events.GateThresholds;
import io.lethe.events.HeldoutMatchParameters;
import io.lethe.events.JobKind;
import io.lethe.events.JobStage;
import io.lethe.events.ReleaseMode;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.ComputeThreads;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.TrainingRecipe;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the kinds of jobs read, compute and leave. */
class JobKindsTest {
  @TempDir Path directory;
  private WorkerCase worker;

  @BeforeEach
  void start() {
    worker = new WorkerCase(directory);
  }

  private UnlearningJob.Builder targetsJob() {
    return worker.job(JobKind.ANCHOR, List.of()).setFisher(false).setHeldout(true);
  }

  @Test
  void anAnchorsTargetsAreOfAllItsSamplesByModelsThatSawNoneThatWasErased() {
    // Given: of one subject all is erased, of another one sample
    IntFunction<String> subject = i -> worker.dataset.subject(i).orElseThrow();
    int[] erased =
        IntStream.range(4, 80)
            .filter(i -> i == 4 || subject.apply(i).equals(subject.apply(79)))
            .toArray();
    worker.excluded = worker.samples(0, 4);
    worker.erased = Arrays.stream(erased).mapToObj(worker.dataset::sampleId).toList();
    assertThat(subject.apply(4)).isNotEqualTo(subject.apply(79));

    // When
    JobResult result = worker.runner.run(targetsJob().build(), Progress.NONE);

    // Then
    assertThat(result.update()).isEmpty();
    assertThat(result.outcome().getHeldoutSamples()).isEqualTo(76);
    HeldOutRows rows = result.targets().orElseThrow();
    assertThat(rows.sampleIds()).containsExactlyInAnyOrderElementsOf(worker.samples(4, 80));
    int[] rest = IntStream.range(4, 80).filter(i -> Arrays.binarySearch(erased, i) < 0).toArray();
    TrainingRecipe how = worker.recipe.training();
    List<int[]> folds =
        new CrossFit(() -> worker.recipe.init().create(how.seed()), how, 2)
            .split(rest, subject, how.seed());
    for (int fold = 0; fold < 2; fold++) {
      int[] own = folds.get(fold);
      try (LoadedModel model = worker.recipe.init().create(how.seed())) {
        new Trainer(how).train(model, worker.dataset, folds.get(1 - fold), Progress.NONE);
        for (int i = 4; i < 80; i++) {
          int sample = i;
          boolean ofFold =
              Arrays.stream(own).anyMatch(o -> subject.apply(o).equals(subject.apply(sample)));
          boolean ofNone =
              Arrays.stream(rest).noneMatch(o -> subject.apply(o).equals(subject.apply(sample)));
          boolean any = ofNone && fold == (folds.get(0).length <= folds.get(1).length ? 0 : 1);
          if (ofFold || any) {
            int at = 3 * rows.sampleIds().indexOf(worker.dataset.sampleId(i));
            assertThat(Arrays.copyOfRange(rows.logits(), at, at + 3))
                .containsExactly(
                    CrossFit.logits(model, worker.dataset, new int[] {i}), within(1e-4f));
          }
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void whereReleasesAreChainedWhatWasErasedGetsNoTarget(boolean byPolicy) {
    // Given: by the policy, or since a class was forgotten whole
    List<String> ofClass =
        IntStream.range(0, 80)
            .filter(i -> worker.dataset.label(i) == 1)
            .mapToObj(worker.dataset::sampleId)
            .toList();
    worker.erased = byPolicy ? worker.samples(4, 6) : ofClass;
    worker.erasedClasses = byPolicy ? List.of() : List.of("1");
    ReleaseMode mode = byPolicy ? ReleaseMode.CHAINED : ReleaseMode.ANCHORED;

    // When
    JobResult result =
        worker.runner.run(
            targetsJob().setPolicy(worker.policy().setMode(mode).build()).build(), Progress.NONE);

    // Then
    assertThat(result.targets().orElseThrow().sampleIds())
        .hasSize(80 - worker.erased.size())
        .doesNotContainAnyElementsOf(worker.erased);
  }

  @Test
  void aFoldThatIsDoneIsNotTrainedAgain() throws IOException {
    // Given: cancelled within the second of two folds, which one thread trains in turn
    int threads = ComputeThreads.get();
    ComputeThreads.set(1);
    try {
      UnlearningJob job = targetsJob().build();
      assertThatThrownBy(
              () ->
                  worker.runner.run(
                      job,
                      (stage, done, total) -> {
                        if (stage == JobStage.TRAIN && 10 * done > 7 * total) {
                          throw new CancellationException();
                        }
                      }))
          .isInstanceOf(CancellationException.class);
      List<Double> seen = new ArrayList<>();

      // When
      JobResult resumed =
          worker.runner.run(
              job,
              (stage, done, total) -> {
                if (stage == JobStage.TRAIN) {
                  seen.add((double) done / total);
                }
              });

      // Then: as one that ran through, and nothing stays behind
      assertThat(seen).isNotEmpty().allMatch(fraction -> fraction > 0.5).contains(1.0);
      HeldOutRows whole =
          worker.runner.run(targetsJob().build(), Progress.NONE).targets().orElseThrow();
      assertThat(resumed.targets().orElseThrow().sampleIds()).isEqualTo(whole.sampleIds());
      assertThat(resumed.targets().orElseThrow().logits()).containsExactly(whole.logits());
    } finally {
      ComputeThreads.set(threads);
    }
  }

  @Test
  void foldsAreThereUntilTheTargetsArePublished() throws IOException {
    // Given: a worker that died before its targets were published
    UnlearningJob job = targetsJob().build();
    HeldOutRows lost = worker.runner.run(job, Progress.NONE).targets().orElseThrow();

    // When
    JobResult again =
        worker.runner.run(
            job, (stage, done, total) -> assertThat(stage).isNotEqualTo(JobStage.TRAIN));

    // Then
    assertThat(again.targets().orElseThrow().logits()).containsExactly(lost.logits());
    assertThat(kept()).hasSize(2);
    again.reported().run();
    assertThat(kept()).isEmpty();
  }

  private List<Path> kept() throws IOException {
    try (var kept = Files.list(directory.resolve("artifacts").resolve("kept"))) {
      return kept.toList();
    }
  }

  @Test
  void foldsKeepTogetherWhatLineageSaysIsOneSubjects() throws IOException {
    // Given: a dataset that does not know its subjects, and lineage that does
    Path file = directory.resolve("anonymous.npz");
    try (NDManager manager = NDManager.newBaseManager();
        OutputStream out = Files.newOutputStream(file)) {
      NDList all = worker.dataset.batch(manager, IntStream.range(0, 80).toArray());
      all.get(0).setName("x");
      all.get(1).setName("y");
      all.encode(out, NDList.Encoding.NPZ);
    }
    List<List<String>> subjects =
        IntStream.range(0, 8)
            .mapToObj(
                subject ->
                    IntStream.range(0, 10)
                        .mapToObj(i -> Integer.toString(8 * i + subject))
                        .toList())
            .toList();
    worker.subjects = Map.of("d", subjects, "other", List.of(worker.samples(0, 80)));
    UnlearningJob job = targetsJob().setDatasetUri("npz:" + file).setDatasetId("d").build();

    // When
    HeldOutRows rows = worker.runner.run(job, Progress.NONE).targets().orElseThrow();

    // Then: as by folds of whole subjects
    int[] all = IntStream.range(0, 80).toArray();
    Recipe recipe = TargetsRun.recipe(job, worker.dataset);
    HeldOutTargets expected =
        new CrossFit(
                () -> recipe.init().create(recipe.training().seed()),
                recipe.training(),
                job.getPolicy().getFolds())
            .run(
                worker.dataset,
                all,
                sample -> Integer.toString(sample % 8),
                recipe.training().seed(),
                Progress.NONE);
    assertThat(rows.sampleIds()).isEqualTo(Arrays.stream(all).mapToObj(Integer::toString).toList());
    assertThat(rows.logits()).containsExactly(expected.logits(all));
  }

  @Test
  void ownPredictionsAreTakenAsTheyAreForTheSamplesThatAreStillThere() throws IOException {
    // Given
    int[] all = IntStream.range(0, 80).toArray();
    float[] logits = new float[240];
    IntStream.range(0, 240).forEach(i -> logits[i] = i);
    Path file = directory.resolve("own.npz");
    HeldOutFile.write(file, worker.dataset, all, HeldOutTargets.of(3, all, logits));
    worker.excluded = worker.samples(0, 1);

    // When
    HeldOutRows rows =
        worker
            .runner
            .run(
                targetsJob()
                    .setHeldoutUri(file.toUri().toString())
                    .setHeldoutSha256(Sha256.of(file))
                    .build(),
                Progress.NONE)
            .targets()
            .orElseThrow();

    // Then
    assertThat(rows.sampleIds()).isEqualTo(worker.samples(1, 80));
    assertThat(rows.logits()).startsWith(3, 4, 5).hasSize(237);
  }

  @Test
  void aNewAnchorDeletesTheModelsThatKnewWhatWasErased() {
    // Given
    Artifact old = worker.model(9);

    // When
    worker.runner.run(
        worker
            .job(JobKind.ANCHOR, List.of())
            .setObsoleteArtifacts(List.of(old.uri().toString(), "file:/elsewhere/model.params"))
            .build(),
        Progress.NONE);

    // Then
    assertThat(Path.of(old.uri())).doesNotExist();
  }

  @Test
  void aRetrainedModelIsTheOneThatWasNeverTrainedOnTheErased() throws IOException {
    // Given
    worker.excluded = worker.samples(0, 2);
    worker.erased = worker.samples(2, 5);
    Path expected = directory.resolve("expected.params");
    try (LoadedModel model = worker.recipe.init().create(1)) {
      new Trainer(worker.recipe.training())
          .train(model, worker.dataset, IntStream.range(9, 80).toArray(), Progress.NONE);
      model.write(expected);
    }

    // When
    JobResult result =
        worker.runner.run(
            worker.job(JobKind.RETRAIN, worker.samples(5, 9)).setErasedSamples(3).build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getMethod()).contains("retrain");
    assertThat(result.outcome().getArtifactSha256()).contains(Sha256.of(expected));
    assertThat(result.outcome().getAfter().orElseThrow().getForget().getSamples()).isEqualTo(7);
    assertThat(result.update()).isEmpty();
  }

  @Test
  void aRetrainedModelThatIsNotTheOneAPersonReleasedIsHeldAgain() {
    // When: it would pass its gate
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.RETRAIN, worker.samples(5, 9))
                .setGateOverridden(true)
                .setHeldSha256("e".repeat(64))
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.outcome().getError().orElseThrow()).contains("another model");
    assertThat(result.outcome().getArtifactSha256()).isPresent();
  }

  @Test
  void chainedStartsFromTheLastReleaseWithTheAnchorsSums() {
    // Given
    Artifact parent = worker.model(2);
    worker.erased = worker.samples(0, 2);
    FisherDiagonal erased;
    FisherDiagonal batch;
    try (LoadedModel model = worker.load(worker.anchor)) {
      FisherComputer fisher = new FisherComputer(model);
      erased = fisher.sum(worker.dataset, new int[] {0, 1}, Progress.NONE);
      batch = fisher.sum(worker.dataset, new int[] {2, 3}, Progress.NONE);
    }
    worker.sums = new FisherSums(worker.sums.retained().minus(erased), erased);

    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, worker.samples(2, 4))
                .setErasedSamples(2)
                .setParentUri(parent.uri().toString())
                .setParentSha256(parent.sha256())
                .setPolicy(worker.policy().setMode(ReleaseMode.CHAINED).build())
                .build(),
            Progress.NONE);

    // Then: DeepClean without repair leaves each weight of the parent, or zero
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getAfter().orElseThrow().getForget().getSamples()).isEqualTo(2);
    assertThat(result.update().orElseThrow().sums().tensors().get(0).values())
        .containsExactly(batch.tensors().get(0).values());
    Artifact released =
        new Artifact(
            URI.create(result.outcome().getArtifactUri().orElseThrow()),
            result.outcome().getArtifactSha256().orElseThrow(),
            0);
    try (LoadedModel before = worker.load(parent);
        LoadedModel after = worker.load(released)) {
      float[] old = before.weights().get(0).array().toFloatArray();
      float[] now = after.weights().get(0).array().toFloatArray();
      assertThat(IntStream.range(0, old.length)).allMatch(i -> now[i] == old[i] || now[i] == 0);
      assertThat(IntStream.range(0, old.length)).anyMatch(i -> now[i] != old[i]);
    }
  }

  @Test
  void theLadderBeginsWithTheTargetsWhereThereAreAny() {
    // Given
    worker.targets = new HeldOutRows(3, worker.samples(0, 4), new float[12]);

    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, worker.samples(0, 4))
                .setPolicy(
                    worker
                        .policy()
                        .setHeldoutMatch(HeldoutMatchParameters.newBuilder().setSteps(2).build())
                        .build())
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getMethod()).contains("heldout-match");
    assertThat(result.outcome().getLeftOut()).isEmpty();
  }

  @Test
  void withoutTargetsTheOutcomeSaysWhatWasLeftOut() {
    // When
    JobResult result =
        worker.runner.run(worker.job(JobKind.UNLEARN, worker.samples(0, 4)).build(), Progress.NONE);

    // Then
    assertThat(result.outcome().getMethod()).contains("deepclean");
    assertThat(result.outcome().getLeftOut()).containsExactly("heldout-match");
    assertThat(result.outcome().getPassedOver())
        .isEqualTo(Map.of("heldout-match", "needs held-out targets of all forget samples"));
    assertThat(result.outcome().getTrials()).isEmpty();
  }

  @Test
  void theOutcomeHasTheTrialsOfASearchAndWhatFailed() {
    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, worker.samples(0, 4))
                .setPolicy(
                    worker
                        .policy()
                        .setLadder(List.of("fine-tune", "ssd"))
                        .setMethodParameters(
                            Map.of(
                                "fine-tune", "{\"learningRate\": 1e30, \"epochs\": 4}",
                                "ssd", "{\"selection\": \"search\", \"trials\": 3}"))
                        .build())
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getMethod()).contains("ssd");
    assertThat(result.outcome().getTrials()).hasSize(3);
    assertThat(result.outcome().getPassedOver().get("fine-tune"))
        .isEqualTo("failed: fine-tuning diverged: its loss is not a finite number");
  }

  @Test
  void aLadderThatEndsWithRetrainEscalates() {
    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, worker.samples(0, 4))
                .setPolicy(
                    worker
                        .policy()
                        .setLadder(List.of("deepclean", "retrain"))
                        .setGate(
                            GateThresholds.newBuilder()
                                .setMaxRetainDrop(-1)
                                .setMaxHoldoutDrop(-1)
                                .build())
                        .build())
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.ESCALATE);
    assertThat(result.update()).isEmpty();
  }

  @Test
  void anAnchorFromBeforeTheErasureIsTrainedAnewWhereItsLadderSaysSo() {
    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, List.of("gone"))
                .setCarriedOver(true)
                .setAnchorReturned(true)
                .setPolicy(worker.policy().setLadder(List.of("deepclean", "retrain")).build())
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.ESCALATE);
  }

  @Test
  void nothingIsMadeOfAnAnchorFromBeforeTheErasureThatCannotForgetTheRest() {
    // Given: what the job names is there, what the one after it will name is not
    worker.carried = List.of("gone", worker.samples(0, 1).get(0));

    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, worker.samples(0, 1))
                .setCarriedOver(true)
                .setAnchorReturned(true)
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.outcome().getError().orElseThrow()).contains("lacks 1 of 2 samples");
    assertThat(result.outcome().getArtifactSha256()).isEmpty();
    assertThat(result.update()).isEmpty();
  }

  @Test
  void whatAnEarlierJobOfItsHasForgottenTheDatasetMayLack() {
    // Given: with its class, and the source has deleted it since
    worker.erased = List.of("gone");
    worker.carried = List.of("gone", worker.samples(0, 1).get(0));

    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, worker.carried)
                .setErasedSamples(1)
                .setCarriedOver(true)
                .setAnchorReturned(true)
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getFisherSamples()).isEqualTo(1);
  }

  @Test
  void whatTheModelNeverSawLeavesTheLastReleaseAsItIs() {
    // Given: an earlier batch that the anchor knew
    Artifact parent = worker.model(2);
    worker.erased = worker.samples(0, 2);

    // When
    JobResult result =
        worker.runner.run(
            worker
                .job(JobKind.UNLEARN, List.of("gone"))
                .setCarriedOver(true)
                .setErasedSamples(2)
                .setParentUri(parent.uri().toString())
                .setParentSha256(parent.sha256())
                .build(),
            Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getArtifactSha256()).contains(parent.sha256());
  }
}
