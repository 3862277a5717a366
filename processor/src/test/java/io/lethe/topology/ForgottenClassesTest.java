package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelResult;
import io.lethe.events.ModelVersion;
import io.lethe.events.ReleaseMode;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.ForgetSet;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a model does with requests for whole classes. */
class ForgottenClassesTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final UUID FIRST = new UUID(4, 1);
  private static final UUID SECOND = new UUID(4, 2);
  private static final UUID THIRD = new UUID(4, 3);
  private static final String RETRAINED = "d".repeat(64);
  private static final String REGISTERED = "e".repeat(64);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private void register(UnlearningPolicy.Builder policy, String artifact) {
    lethe.register(
        lethe
            .registration("m", "d", policy.setFolds(0).setMaxErasedShare(1).build(), artifact)
            .setRecipe("{}")
            .build());
    anchored(lethe.onlyJob());
  }

  private void anchored(UnlearningJob job) {
    assertThat(job.getKind()).isEqualTo(JobKind.ANCHOR);
    lethe.snapshot(job, TopologyFixture.diagonal(100, 10f, 20f, 30f));
    lethe.outcome(job, Verdict.RELEASE);
  }

  private void registerFiringAt(int requests) {
    register(UnlearningPolicy.newBuilder(policy(requests, YEAR)), TopologyFixture.SHA);
  }

  private static ModelResult result(List<ErasureReceipt> receipts, UUID id) {
    ErasureReceipt receipt =
        receipts.stream().filter(one -> one.getRequestId().equals(id)).findFirst().orElseThrow();
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    return receipt.getModels().get(0);
  }

  @Test
  void theWorkerSaysWhichSamplesItsClassesHad() {
    // Given
    registerFiringAt(2);
    lethe.requestClasses(FIRST, "d", List.of(), "7", "3");
    assertThat(lethe.jobs()).isEmpty();
    lethe.requestClasses(SECOND, "d", List.of(), "3");
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getClasses()).containsExactly("3", "7");
    assertThat(job.getSampleIds()).isEmpty();
    assertThat(job.getRequests()).isEqualTo(2);
    assertThat(lethe.requestState(FIRST).getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);

    // When
    lethe.unlearned(job, Map.of("3", List.of("a", "b"), "7", List.of("c")));

    // Then
    List<ErasureReceipt> receipts = lethe.receipts();
    assertThat(receipts).hasSize(2);
    assertThat(result(receipts, FIRST).getSamples()).isEqualTo(3);
    assertThat(result(receipts, SECOND).getSamples()).isEqualTo(2);
    ModelVersion version = lethe.versions().get(0);
    assertThat(version.getSamples()).isEqualTo(3);
    assertThat(version.getErasedSamples()).isEqualTo(3);
    assertThat(lethe.model("m").getErasedSamples()).isEqualTo(3);
    assertThat(lethe.sums("m").orElseThrow().retained().samples()).isEqualTo(97);
  }

  @Test
  void aSampleOfAForgottenClassAndTheClassItselfAreAnsweredWithoutAJob() {
    // Given
    registerFiringAt(1);
    lethe.requestClasses(FIRST, "d", List.of(), "3");
    lethe.unlearned(lethe.onlyJob(), Map.of("3", List.of("a", "b")));
    lethe.receipts();

    // When
    lethe.lineage("alice", "d", "a");
    lethe.request(SECOND, "alice");
    lethe.requestClasses(THIRD, "d", List.of(), "3");

    // Then
    assertThat(lethe.jobs()).isEmpty();
    List<ErasureReceipt> receipts = lethe.receipts();
    assertThat(result(receipts, SECOND).getVersion()).isEqualTo(1);
    assertThat(result(receipts, THIRD).getVersion()).isEqualTo(1);
    assertThat(result(receipts, THIRD).getSamples()).isZero();
  }

  @Test
  void aClassThatTheDatasetLacksIsAnsweredByTheVersionThatThereIs() {
    // Given
    registerFiringAt(1);
    lethe.requestClasses(FIRST, "d", List.of(), "42");
    UnlearningJob job = lethe.onlyJob();

    // When: the worker releases what there is
    lethe.subtract(job, TopologyFixture.diagonal(0, 0f, 0f, 0f));
    JobOutcome outcome =
        lethe
            .outcomeOf(job, Map.of("42", List.of()))
            .setArtifactSha256(TopologyFixture.SHA)
            .setMethod("none")
            .build();
    lethe.send(lethe.topics.jobOutcomes(), "m", outcome);

    // Then
    assertThat(lethe.versions()).isEmpty();
    assertThat(result(lethe.receipts(), FIRST).getVersion()).isZero();
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
  }

  @Test
  void aBatchIsOfSamplesOrOfClasses() {
    // Given
    registerFiringAt(3);
    lethe.lineage("alice", "d", "a");
    lethe.lineage("bob", "d", "b");
    lethe.request(FIRST, "alice");
    lethe.requestClasses(SECOND, "d", List.of(), "3");

    // When
    lethe.request(THIRD, "bob");

    // Then: all three count; the class among them is passed over, and waits by itself
    UnlearningJob samples = lethe.onlyJob();
    assertThat(samples.getSampleIds()).containsExactly("a", "b");
    assertThat(samples.getClasses()).isEmpty();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
    lethe.unlearned(samples);
    assertThat(lethe.receipts())
        .extracting(ErasureReceipt::getRequestId)
        .containsExactly(FIRST, THIRD);
    assertThat(lethe.requestState(SECOND).getStatus()).isEqualTo(RequestStatus.PENDING);
    lethe.advance(YEAR);
    assertThat(lethe.onlyJob().getClasses()).containsExactly("3");
  }

  @Test
  void classesThatAreFirstGoFirst() {
    // Given
    registerFiringAt(3);
    lethe.lineage("alice", "d", "a");
    lethe.requestClasses(FIRST, "d", List.of(), "3");
    lethe.requestClasses(SECOND, "d", List.of(), "4");

    // When
    lethe.request(THIRD, "alice");

    // Then
    UnlearningJob classes = lethe.onlyJob();
    assertThat(classes.getClasses()).containsExactly("3", "4");
    assertThat(classes.getSampleIds()).isEmpty();
    assertThat(lethe.model("m").getPendingSamples()).isEqualTo(1);
  }

  @Test
  void aClassThatWasPassedOverCanBeCancelled() {
    // Given
    registerFiringAt(2);
    lethe.lineage("alice", "d", "a");
    lethe.request(FIRST, "alice");
    lethe.requestClasses(SECOND, "d", List.of(), "3");
    lethe.unlearned(lethe.onlyJob());

    // When
    lethe.command(SECOND, SECOND.toString(), RequestCommand.CANCEL);

    // Then
    assertThat(lethe.requestState(SECOND).getStatus()).isEqualTo(RequestStatus.CANCELLED);
    assertThat(lethe.model("m").getPendingRequests()).isZero();
  }

  @Test
  void aClassInALegalHoldIsNotForgotten() {
    // Given
    registerFiringAt(2);
    lethe.requestClasses(FIRST, "d", List.of(), "3");
    lethe.command(FIRST, FIRST.toString(), RequestCommand.HOLD);
    lethe.requestClasses(SECOND, "d", List.of(), "4");
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.command(FIRST, FIRST.toString(), RequestCommand.RELEASE);

    // Then
    assertThat(lethe.onlyJob().getClasses()).containsExactly("3", "4");
  }

  @Test
  void anotherArtifactForgetsTheClassesAgainAndFirst() {
    // Given: a class and a sample were forgotten
    registerFiringAt(1);
    lethe.lineage("alice", "d", "x");
    lethe.request(FIRST, "alice");
    lethe.unlearned(lethe.onlyJob());
    lethe.requestClasses(SECOND, "d", List.of(), "3");
    lethe.unlearned(lethe.onlyJob(), Map.of("3", List.of("a", "b")));
    lethe.receipts();

    // When
    register(UnlearningPolicy.newBuilder(policy(1, YEAR)), REGISTERED);

    // Then: the dataset has come to hold more of the class
    UnlearningJob classes = lethe.onlyJob();
    assertThat(classes.getCarriedOver()).isTrue();
    assertThat(classes.getClasses()).containsExactly("3");
    assertThat(classes.getSampleIds()).isEmpty();
    lethe.unlearned(classes, Map.of("3", List.of("a", "b", "late")));
    assertThat(lethe.model("m").getErasedSamples()).isEqualTo(3);
    UnlearningJob samples = lethe.onlyJob();
    assertThat(samples.getCarriedOver()).isTrue();
    assertThat(samples.getSampleIds()).containsExactly("x");
    assertThat(lethe.forgetSet(samples).getErasedClasses()).containsExactly("3");
    lethe.unlearned(samples);
    assertThat(lethe.model("m").getCarriedSamples()).isZero();
    assertThat(lethe.model("m").getCarriedClasses()).isZero();
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
    lethe.requestClasses(THIRD, "d", List.of(), "3");
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void aRetrainingServesClassesAndSamplesAndTheNextAnchorNeverKnewThem() {
    // Given
    register(
        UnlearningPolicy.newBuilder(policy(9, YEAR)).setCompletion(CompletionStage.EXACT),
        TopologyFixture.SHA);
    lethe.lineage("alice", "d", "x");
    lethe.request(FIRST, "alice");
    lethe.requestClasses(SECOND, "d", List.of(), "3");

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getSampleIds()).containsExactly("x");
    assertThat(job.getClasses()).containsExactly("3");
    lethe.retrained(job, RETRAINED, Map.of("3", List.of("a", "b")));
    List<ErasureReceipt> receipts = lethe.receipts();
    assertThat(result(receipts, FIRST).getExactVersion()).contains(1L);
    assertThat(result(receipts, SECOND).getExactVersion()).contains(1L);
    assertThat(result(receipts, SECOND).getSamples()).isEqualTo(2);
    UnlearningJob anchor = lethe.onlyJob();
    ForgetSet known = lethe.forgetSet(anchor);
    assertThat(known.getExcluded()).containsExactly("a", "b", "x");
    assertThat(known.getExcludedClasses()).containsExactly("3");
    assertThat(known.getErasedClasses()).isEmpty();
    anchored(anchor);

    // When: the class is asked for again, of a model that never knew it
    lethe.register(
        lethe
            .registration(
                "m",
                "d",
                UnlearningPolicy.newBuilder(policy(1, YEAR))
                    .setFolds(0)
                    .setMaxErasedShare(1)
                    .build(),
                TopologyFixture.SHA)
            .setRecipe("{}")
            .build());
    lethe.requestClasses(THIRD, "d", List.of(), "3");

    // Then: exact at once, without a job
    assertThat(lethe.jobs()).isEmpty();
    assertThat(result(lethe.receipts(), THIRD).getExactVersion()).isPresent();
  }

  @Test
  void aClassThatARunningAnchorKnowsWaitsForTheRetrainingToBeExact() {
    // Given
    register(
        UnlearningPolicy.newBuilder(policy(1, YEAR)).setCompletion(CompletionStage.EXACT),
        TopologyFixture.SHA);
    lethe.requestClasses(FIRST, "d", List.of(), "3");

    // When
    lethe.unlearned(lethe.onlyJob(), Map.of("3", List.of("a", "b")));

    // Then
    assertThat(lethe.receipts()).isEmpty();
    assertThat(lethe.model("m").getAwaitingExact()).isEqualTo(1);
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    UnlearningJob job = lethe.onlyJob();
    assertThat(lethe.forgetSet(job).getErasedClasses()).containsExactly("3");
    lethe.retrained(job, RETRAINED, Map.of());
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(receipt.getExactAt()).isPresent();
    assertThat(receipt.getModels().get(0).getSamples()).isEqualTo(2);
  }

  @Test
  void aLadderForClassesMayEndWithARetraining() {
    // Given
    register(
        UnlearningPolicy.newBuilder(policy(1, YEAR))
            .setLadder(List.of("deepclean"))
            .setClassLadder(List.of("unsir", "retrain")),
        TopologyFixture.SHA);
    lethe.requestClasses(FIRST, "d", List.of(), "3");

    // When
    lethe.outcome(lethe.onlyJob(), Verdict.ESCALATE);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getClasses()).containsExactly("3");
  }

  @Test
  void theLadderForClassesIsNotThatForSamples() {
    // Given
    register(
        UnlearningPolicy.newBuilder(policy(1, YEAR))
            .setLadder(List.of("deepclean", "retrain"))
            .setClassLadder(List.of("unsir")),
        TopologyFixture.SHA);
    lethe.requestClasses(FIRST, "d", List.of(), "3");

    // When
    lethe.outcome(lethe.onlyJob(), Verdict.ESCALATE);

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ESCALATED);
  }

  @Test
  void whatAClassHadIsDeletedFromTheTargetsOfAChainedModel() {
    // Given
    lethe.register(
        lethe
            .registration(
                "m",
                "d",
                UnlearningPolicy.newBuilder(policy(1, YEAR))
                    .setMode(ReleaseMode.CHAINED)
                    .setMaxErasedShare(1)
                    .build(),
                TopologyFixture.SHA)
            .setRecipe("{}")
            .build());
    UnlearningJob anchor = lethe.onlyJob();
    lethe.targets(anchor, "a", "b", "c");
    anchored(anchor);
    lethe.requestClasses(FIRST, "d", List.of(), "3");

    // When
    lethe.unlearned(lethe.onlyJob(), Map.of("3", List.of("a", "b")));

    // Then
    lethe.requestClasses(SECOND, "d", List.of(), "4");
    UnlearningJob next = lethe.onlyJob();
    assertThat(next.getParentUri()).isPresent();
    assertThat(lethe.samplesWithTargets()).containsExactly("c");
    assertThat(lethe.forgetSet(next).getTargetIds()).as("classes take none").isEmpty();
  }

  @Test
  void aModelThatIsRetiredForgetsWhichClassesItHadForgotten() {
    // Given
    registerFiringAt(1);
    lethe.requestClasses(FIRST, "d", List.of("m"), "3");
    lethe.unlearned(lethe.onlyJob(), Map.of("3", List.of("a")));

    // When
    lethe.retire("m");

    // Then: registered again, it must forget the class again
    register(UnlearningPolicy.newBuilder(policy(1, YEAR)), REGISTERED);
    assertThat(lethe.onlyJob().getClasses()).containsExactly("3");
  }
}
