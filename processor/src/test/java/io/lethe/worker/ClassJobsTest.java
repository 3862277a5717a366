package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.artifact.Artifact;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.dataset.SubsetDataset;
import io.lethe.events.GateCheck;
import io.lethe.events.GateThresholds;
import io.lethe.events.HeldoutMatchParameters;
import io.lethe.events.JobKind;
import io.lethe.events.ResolvedClass;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Confidence;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Gate;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.UnlearningException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Jobs that forget whole classes, and jobs after them. */
class ClassJobsTest {
  private static final String HOLDOUT = WorkerCase.DATASET.replace("#train", "#test");

  @TempDir Path directory;
  private WorkerCase worker;

  @BeforeEach
  void start() {
    worker = new WorkerCase(directory);
  }

  private List<String> samplesOf(int label) {
    return IntStream.range(0, worker.dataset.size())
        .filter(i -> worker.dataset.label(i) == label)
        .mapToObj(worker.dataset::sampleId)
        .sorted()
        .toList();
  }

  /** The first samples were erased before. */
  private void erased(List<String> samples) {
    worker.erased = samples;
    int[] positions =
        samples.stream().mapToInt(id -> worker.dataset.indexOf(id).orElseThrow()).toArray();
    try (LoadedModel model = worker.load(worker.anchor)) {
      FisherDiagonal erased =
          new FisherComputer(model).sum(worker.dataset, positions, Progress.NONE);
      worker.sums = new FisherSums(worker.sums.retained().minus(erased), erased);
    }
  }

  private UnlearningJob.Builder classJob(String... classes) {
    return worker
        .job(JobKind.UNLEARN, List.of())
        .setClasses(List.of(classes))
        .setErasedSamples(worker.erased.size())
        .setPolicy(worker.policy().setClassLadder(List.of("deepclean")).build());
  }

  private UnlearningJob.Builder after(Artifact parent, UnlearningJob.Builder job) {
    return job.setParentUri(parent.uri().toString()).setParentSha256(parent.sha256());
  }

  private JobResult run(UnlearningJob.Builder job) {
    JobResult result = worker.runner.run(job.build(), Progress.NONE);
    assertThat(result.outcome().getError()).isEmpty();
    return result;
  }

  /** DeepClean without repair leaves each weight as it was, or zero. */
  private void assertMadeFrom(Artifact parent, JobResult result) {
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
  void aClassIsResolvedByTheDataset() {
    // Given: the first of its samples was erased before
    List<String> ones = samplesOf(1);
    erased(ones.subList(0, 1));

    // When
    JobResult result = run(classJob("1"));

    // Then
    assertThat(result.outcome().getResolvedClasses())
        .containsExactly(new ResolvedClass("1", ones.subList(1, ones.size())));
    assertThat(result.outcome().getFisherSamples()).isEqualTo(ones.size() - 1);
  }

  @Test
  void aClassThatTheDatasetLacksHasNoSamplesAndStopsNothing() {
    // When
    JobResult result = run(classJob("7", "-1", "cat"));

    // Then: the model is released as it is
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.outcome().getArtifactSha256()).contains(worker.anchor.sha256());
    assertThat(result.outcome().getResolvedClasses())
        .hasSize(3)
        .allMatch(resolved -> resolved.getSampleIds().isEmpty());
    assertThat(result.update().orElseThrow().sums().samples()).isZero();
  }

  @Test
  void moreSamplesThanAnOutcomeCanNameAreRefusedAndNotLost() {
    // Given: ids of a kilobyte
    SampleDataset few = new StubDataset(20_000, 1_000, Map.of());
    SampleDataset many = new StubDataset(30_000, 1_000, Map.of());

    // Then
    assertThat(ForgottenClasses.resolve(few, List.of("1")).get(0).getSampleIds()).hasSize(10_000);
    assertThatThrownBy(() -> ForgottenClasses.resolve(many, List.of("1")))
        .isInstanceOf(UnlearningException.class)
        .hasMessageContaining("more samples than its outcome can name");
  }

  @Test
  void aClassThatTheDatasetHasIsForgottenBesideOneThatItLacks() {
    // When
    JobResult result = run(classJob("1", "7"));

    // Then
    assertThat(result.outcome().getArtifactSha256()).isNotEqualTo(worker.anchor.sha256());
    assertThat(result.outcome().getFisherSamples()).isEqualTo(samplesOf(1).size());
  }

  /** A dataset that no longer has a class, and the anchor's sums over it. */
  private String deletedAtTheSource(int label) throws IOException {
    int[] left =
        IntStream.range(0, worker.dataset.size())
            .filter(index -> worker.dataset.label(index) != label)
            .toArray();
    Path file = directory.resolve("left.npz");
    try (NDManager manager = NDManager.newBaseManager();
        OutputStream out = Files.newOutputStream(file);
        LoadedModel model = worker.load(worker.anchor)) {
      NDList batch = worker.dataset.batch(manager, left);
      batch.get(0).setName("x");
      batch.get(1).setName("y");
      batch.encode(out, NDList.Encoding.NPZ);
      FisherDiagonal sums = new FisherComputer(model).sum(worker.dataset, left, Progress.NONE);
      worker.sums = new FisherSums(sums, sums.zero());
    }
    return "npz:" + file;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aClassWhoseSamplesTheSourceHadDeletedIsForgottenWithoutThem(int label) throws IOException {
    // Given: also of the last class, which the dataset then does not count any more
    String left = deletedAtTheSource(label);

    // When
    JobResult result =
        run(
            classJob(Integer.toString(label))
                .setDatasetUri(left)
                .setPolicy(worker.policy().setClassLadder(List.of("unsir")).build()));

    // Then
    assertThat(result.outcome().getMethod()).contains("unsir");
    assertThat(result.outcome().getArtifactSha256().orElseThrow())
        .isNotEqualTo(worker.anchor.sha256());
    assertThat(result.outcome().getResolvedClasses())
        .containsExactly(new ResolvedClass(Integer.toString(label), List.of()));
  }

  @Test
  void jobsGoOnWhenTheLastClassIsGoneAtTheSource() throws IOException {
    // Given: targets of three classes for a dataset of two
    String left = deletedAtTheSource(2);
    worker.targets = new HeldOutRows(3, List.of("0", "1"), new float[6]);

    // When
    JobResult result = run(towardTargets(left));

    // Then
    assertThat(result.outcome().getMethod()).contains("heldout-match");
  }

  @Test
  void targetsOfOtherClassesThanTheModelsAreRefused() {
    // Given
    worker.targets = new HeldOutRows(4, worker.samples(0, 2), new float[8]);

    // When
    JobResult result =
        worker.runner.run(worker.job(JobKind.UNLEARN, worker.samples(0, 2)).build(), Progress.NONE);

    // Then
    assertThat(result.outcome().getVerdict()).isEqualTo(Verdict.FAILED);
    assertThat(result.outcome().getRetryable()).isFalse();
    assertThat(result.outcome().getError().orElseThrow())
        .contains("held-out targets of 4 classes for a model of 3");
  }

  private UnlearningJob.Builder towardTargets(String dataset) {
    return worker
        .job(JobKind.UNLEARN, List.of("0", "1"))
        .setDatasetUri(dataset)
        .setPolicy(
            worker
                .policy()
                .setLadder(List.of("heldout-match"))
                .setHeldoutMatch(HeldoutMatchParameters.newBuilder().setSteps(2).build())
                .build());
  }

  @Test
  void targetsAreAsSureAsTheAnchorIsOfTheClassesThatItKnows() throws IOException {
    // Given: own predictions, and a holdout set with a class that the anchor was trained without
    int[] all = IntStream.range(0, 80).toArray();
    float[] logits = new float[240];
    IntStream.range(0, 240).forEach(i -> logits[i] = 0.1f * (i % 7));
    HeldOutTargets own = HeldOutTargets.of(3, all, logits);
    Path file = directory.resolve("own.npz");
    HeldOutFile.write(file, worker.dataset, all, own);
    worker.excluded = samplesOf(1);
    worker.excludedClasses = List.of("1");
    SampleDataset holdout = Datasets.open(HOLDOUT);
    SampleDataset known =
        SubsetDataset.without(
            holdout,
            IntStream.range(0, holdout.size())
                .filter(index -> holdout.label(index) == 1)
                .mapToObj(holdout::sampleId)
                .toList());
    int[] kept = all(worker.dataset, index -> worker.dataset.label(index) != 1);
    HeldOutTargets rest = HeldOutTargets.of(3, kept, own.logits(kept));
    float[] expected;
    float[] overAll;
    try (LoadedModel anchor = worker.load(worker.anchor)) {
      expected = Confidence.adjusted(rest, anchor, known).logits(kept);
      overAll = Confidence.adjusted(rest, anchor, holdout).logits(kept);
    }

    // When
    JobResult result =
        run(
            worker
                .job(JobKind.ANCHOR, List.of())
                .setFisher(false)
                .setHeldout(true)
                .setHoldoutUri(HOLDOUT)
                .setHeldoutUri(file.toUri().toString())
                .setHeldoutSha256(Sha256.of(file)));

    // Then
    assertThat(result.targets().orElseThrow().logits())
        .containsExactly(expected)
        .isNotEqualTo(overAll);
  }

  private static int[] all(SampleDataset dataset, IntPredicate wanted) {
    return IntStream.range(0, dataset.size()).filter(wanted).toArray();
  }

  @Test
  void aClassJobStartsFromTheLastRelease() {
    // Given
    erased(samplesOf(0).subList(0, 2));
    Artifact parent = worker.model(2);

    // When
    JobResult result = run(after(parent, classJob("1")));

    // Then
    assertMadeFrom(parent, result);
  }

  @Test
  void soDoAllThatComeAfterIt() {
    // Given
    erased(samplesOf(1));
    worker.erasedClasses = List.of("1");
    Artifact parent = worker.model(2);

    // When
    JobResult result =
        run(
            after(
                    parent,
                    worker.job(JobKind.UNLEARN, samplesOf(0).subList(0, 2)).setHoldoutUri(HOLDOUT))
                .setErasedSamples(worker.erased.size()));

    // Then: from there, and measured on what the model still knows
    assertMadeFrom(parent, result);
    SampleDataset holdout = Datasets.open(HOLDOUT);
    long known =
        IntStream.range(0, holdout.size()).filter(index -> holdout.label(index) != 1).count();
    assertThat(result.outcome().getAfter().orElseThrow().getHoldout().getSamples())
        .isEqualTo((int) known);
  }

  @Test
  void aRetrainedModelNeverSeesAForgottenClass() throws IOException {
    // Given: the dataset has come to hold one more sample of the class since
    List<String> ones = samplesOf(1);
    worker.erased = ones.subList(1, ones.size());
    worker.erasedClasses = List.of("1");
    worker.excludedClasses = List.of("2");
    SampleDataset zeros = SubsetDataset.without(worker.dataset, ones);
    zeros = SubsetDataset.without(zeros, samplesOf(2));
    Path expected = directory.resolve("expected.params");
    try (LoadedModel model = worker.recipe.init().create(1)) {
      new Trainer(worker.recipe.training())
          .train(model, zeros, IntStream.range(0, zeros.size()).toArray(), Progress.NONE);
      model.write(expected);
    }

    // When
    JobResult result =
        run(
            worker
                .job(JobKind.RETRAIN, List.of())
                .setErasedSamples(worker.erased.size())
                .setHoldoutUri(HOLDOUT));

    // Then
    assertThat(result.outcome().getArtifactSha256()).contains(Sha256.of(expected));
    SampleDataset holdout = Datasets.open(HOLDOUT);
    long known =
        IntStream.range(0, holdout.size()).filter(index -> holdout.label(index) == 0).count();
    assertThat(result.outcome().getAfter().orElseThrow().getHoldout().getSamples())
        .isEqualTo((int) known);
  }

  @Test
  void aRetrainedModelIsHeldToWhatItKnowsOfTheClassAndToNoGap() {
    // Given: it is right on none of the forget samples, and on many of the holdout set
    GateThresholds gate =
        GateThresholds.newBuilder()
            .setMaxRetainDrop(1)
            .setMaxHoldoutDrop(1)
            .setMaxForgetGap(0.01)
            .setMaxMembershipGap(0.01)
            .build();

    // When
    JobResult ofClass =
        run(
            worker
                .job(JobKind.RETRAIN, List.of())
                .setClasses(List.of("1"))
                .setHoldoutUri(HOLDOUT)
                .setPolicy(worker.policy().setGate(gate).build()));
    worker.erased = samplesOf(1);
    worker.erasedClasses = List.of("1");
    JobResult after =
        run(
            worker
                .job(JobKind.RETRAIN, samplesOf(0).subList(0, 2))
                .setErasedSamples(worker.erased.size())
                .setHoldoutUri(HOLDOUT)
                .setPolicy(worker.policy().setGate(gate).build()));

    // Then: of a class that was forgotten before, the holdout set has nothing any more
    assertThat(ofClass.outcome().getChecks())
        .extracting(GateCheck::getName)
        .containsExactly(
            Gate.RETAIN_DROP, Gate.HOLDOUT_DROP, Gate.CLASS_ACCURACY, Gate.CLASS_HOLDOUT_ACCURACY);
    assertThat(ofClass.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
    assertThat(after.outcome().getChecks())
        .extracting(GateCheck::getName)
        .containsExactly(Gate.RETAIN_DROP, Gate.HOLDOUT_DROP, Gate.CLASS_ACCURACY);
    assertThat(after.outcome().getVerdict()).isEqualTo(Verdict.RELEASE);
  }

  @Test
  void anAnchorAndItsTargetsAreWithoutTheClassesThatItWasTrainedWithout() {
    // Given
    List<String> ones = samplesOf(1);
    worker.excluded = ones.subList(1, ones.size());
    worker.excludedClasses = List.of("1");

    // When
    JobResult result = run(worker.job(JobKind.ANCHOR, List.of()).setHeldout(true));

    // Then
    int left = worker.dataset.size() - ones.size();
    assertThat(result.update().orElseThrow().sums().samples()).isEqualTo(left);
    assertThat(result.targets().orElseThrow().sampleIds()).hasSize(left);
  }
}
