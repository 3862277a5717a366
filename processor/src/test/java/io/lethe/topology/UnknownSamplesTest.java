package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.JobKind;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.SignalKind;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.Answer;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelStage;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/** Requests that name samples which the model's dataset lacks. */
class UnknownSamplesTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final String OTHER = "c".repeat(64);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
    lethe.lineage("alice", "d", "s1", "typo");
    lethe.lineage("bob", "d", "s2");
    lethe.lineage("carol", "d", "s3", "typo");
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private void registerFiringAt(int requests) {
    register(policy(requests, YEAR), SHA);
    snapshot(lethe.onlyJob());
  }

  private void register(UnlearningPolicy policy, String artifact) {
    UnlearningPolicy lenient =
        UnlearningPolicy.newBuilder(policy).setFolds(0).setMaxErasedShare(1).build();
    lethe.register(lethe.registration("m", "d", lenient, artifact).setRecipe("{}").build());
  }

  private void snapshot(UnlearningJob anchor) {
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
  }

  /** A model that set alice's request aside and has nothing else to do. */
  private UUID aliceSetAside() {
    registerFiringAt(1);
    UUID alice = lethe.request("alice");
    lethe.lacks(lethe.onlyJob(), Set.of("typo"));
    return alice;
  }

  private ModelProgress progress(UUID request) {
    List<ModelProgress> progress = lethe.requestState(request).getProgress();
    assertThat(progress).hasSize(1);
    return progress.get(0);
  }

  private void assertSetAside(UUID request) {
    assertThat(lethe.requestState(request).getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
    assertThat(progress(request).getStage()).isEqualTo(ModelStage.STOPPED);
    assertThat(progress(request).getReason()).contains("unknown_samples");
  }

  private void retry() {
    lethe.modelCommand("m", ModelCommandKind.RETRY);
  }

  @Test
  void theOthersOfTheBatchGoOnByThemselves() {
    // Given
    registerFiringAt(2);
    UUID alice = lethe.request("alice");
    UUID bob = lethe.request("bob");
    UnlearningJob before = lethe.onlyJob();

    // When
    lethe.lacks(before, Set.of("typo"));

    // Then: all of what the request names stays, as it is not done before all is forgotten
    UnlearningJob after = lethe.onlyJob();
    assertThat(after.getSampleIds()).containsExactly("s2");
    assertThat(after.getRequests()).isEqualTo(1);
    assertThat(after.getJobId()).isNotEqualTo(before.getJobId());
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.UNLEARNING);
    assertThat(lethe.model("m").getRequestsSetAside()).isEqualTo(1);
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    assertSetAside(alice);
    assertThat(progress(bob).getStage()).isEqualTo(ModelStage.STARTED);
    lethe.lacks(before, Set.of("typo")); // delivered twice
    assertThat(lethe.jobs()).isEmpty();
    lethe.unlearned(after);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(bob);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
            });
    assertThat(lethe.sums("m").orElseThrow().retained().samples()).isEqualTo(99);
    assertSetAside(alice);
  }

  @Test
  void allThatNameTheSampleAreSetAsideAndWhatWaitsComesNext() {
    // Given
    registerFiringAt(2);
    UUID alice = lethe.request("alice");
    UUID carol = lethe.request("carol");
    UnlearningJob job = lethe.onlyJob();
    lethe.request("bob");
    lethe.lineage("dave", "d", "s4");
    lethe.request("dave");

    // When
    lethe.lacks(job, Set.of("typo"));

    // Then
    assertSetAside(alice);
    assertSetAside(carol);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s2", "s4");
    assertThat(lethe.model("m").getRequestsSetAside()).isEqualTo(2);
  }

  @Test
  void whatIsLeftAndWasErasedBeforeIsAnsweredWithoutAJob() {
    // Given: a batch of s2, which is erased, and alice's
    registerFiringAt(1);
    lethe.request("bob");
    lethe.unlearned(lethe.onlyJob());
    lethe.receipts();
    register(policy(2, YEAR), SHA);
    lethe.advance(Duration.ofSeconds(1));
    UUID again = lethe.request("bob");
    lethe.request("alice");

    // When
    lethe.lacks(lethe.onlyJob(), Set.of("typo"));

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(again);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
  }

  @Test
  void aRetryBringsThemBackAndTheirReceiptComesOnce() {
    // Given
    UUID alice = aliceSetAside();
    register(policy(9, YEAR), SHA);

    // When
    retry();

    // Then: it waits for a batch as others do
    assertThat(progress(alice).getStage()).isEqualTo(ModelStage.PENDING);
    assertThat(progress(alice).getReason()).isEmpty();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
    assertThat(lethe.model("m").getPendingSamples()).isEqualTo(2);
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
    register(policy(1, YEAR), SHA);
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s1", "typo");
    lethe.unlearned(job);
    lethe.unlearned(job);
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(alice);
    retry();
    assertThat(lethe.deadLetters()).as("nothing waits any more").isEqualTo(1);
  }

  @Test
  void whatIsStillUnknownIsSetAsideAgain() {
    // Given
    UUID alice = aliceSetAside();
    retry();
    UnlearningJob job = lethe.onlyJob();

    // When
    lethe.lacks(job, Set.of("typo"));

    // Then
    assertSetAside(alice);
    assertThat(lethe.model("m").getRequestsSetAside()).isEqualTo(1);
    assertThat(lethe.jobs()).isEmpty();
    retry();
    assertThat(lethe.onlyJob().getJobId()).isNotEqualTo(job.getJobId());
  }

  @Test
  void aRetryIsOfTheParkedBatchAndOfWhatWasSetAside() {
    // Given: alice's is aside, bob's is parked by another failure
    aliceSetAside();
    lethe.request("bob");
    lethe.lacks(lethe.onlyJob(), Set.of("named by no request"));
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);

    // When
    retry();

    // Then
    UnlearningJob bobs = lethe.onlyJob();
    assertThat(bobs.getSampleIds()).containsExactly("s2");
    lethe.unlearned(bobs);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "typo");
  }

  @Test
  void aRetryThatNamesAJobIsNotOfWhatWasSetAside() {
    // Given
    aliceSetAside();

    // When
    lethe.send(
        lethe.topics.modelCommands(),
        "m",
        ModelCommand.newBuilder()
            .setModelId("m")
            .setJobId(UUID.randomUUID())
            .setCommand(ModelCommandKind.RETRY)
            .setGivenAt(TopologyFixture.START)
            .build());

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.model("m").getRequestsSetAside()).isEqualTo(1);
  }

  @Test
  void aCancelTakesItBack() {
    // Given
    UUID alice = aliceSetAside();

    // When
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED);
              assertThat(receipt.getWithdrawnModels()).containsExactly("m");
            });
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
    retry();
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void aLegalHoldOutlastsARetryAndItsEndBringsTheRequestBack() {
    // Given
    UUID alice = aliceSetAside();

    // When
    lethe.command(alice, "alice", RequestCommand.HOLD, "litigation", null);

    // Then
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(progress(alice).getStage()).isEqualTo(ModelStage.HELD);
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
    retry();
    assertThat(lethe.jobs()).isEmpty();
    lethe.command(alice, "alice", RequestCommand.RELEASE);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "typo");
  }

  @Test
  void theEndOfALegalHoldThatCameTooLateLeavesItAside() {
    // Given: the hold is refused while the job runs
    registerFiringAt(1);
    UUID alice = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    lethe.command(alice, "alice", RequestCommand.HOLD, "litigation", null);
    lethe.lacks(job, Set.of("typo"));

    // When
    lethe.command(alice, "alice", RequestCommand.RELEASE);

    // Then
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.REFUSED);
    assertThat(lethe.lastAnswer(alice).getReason()).contains("not_held");
    assertSetAside(alice);
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void itsDueDateIsWatched() {
    // Given
    UUID alice = aliceSetAside();

    // When
    lethe.advance(Duration.ofDays(40));

    // Then
    assertThat(lethe.signals())
        .singleElement()
        .satisfies(
            signal -> {
              assertThat(signal.getRequestId()).isEqualTo(alice);
              assertThat(signal.getKind()).isEqualTo(SignalKind.OVERDUE);
              assertThat(signal.getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
            });
  }

  @Test
  void itsDueDateMoves() {
    // Given
    UUID alice = aliceSetAside();
    register(policy(9, YEAR), SHA);

    // When
    lethe.command(alice, "alice", RequestCommand.EXTEND, "complex", null);

    // Then
    retry();
    assertThat(lethe.model("m").getNearestDueAt())
        .isPresent()
        .isEqualTo(lethe.requestState(alice).getDueAt())
        .hasValueSatisfying(
            at -> assertThat(at).isAfter(TopologyFixture.START.plus(Duration.ofDays(60))));
  }

  @Test
  void aRetrainingThatAPersonAsksForServesIt() {
    // Given
    UUID alice = aliceSetAside();

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getSampleIds()).containsExactly("s1", "typo");
    lethe.retrained(job, OTHER);
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(alice);
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
  }

  @Test
  void aRetrainingThatIsDueDoesNotServeIt() {
    // Given: bob's waits for the retraining before its due date
    register(
        UnlearningPolicy.newBuilder(policy(2, YEAR)).setCompletion(CompletionStage.EXACT).build(),
        SHA);
    snapshot(lethe.onlyJob());
    UUID alice = lethe.request("alice");
    UUID bob = lethe.request("bob");
    lethe.lacks(lethe.onlyJob(), Set.of("typo"));
    lethe.unlearned(lethe.onlyJob());

    // When
    lethe.advance(Duration.ofDays(27));

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getSampleIds()).isEmpty();
    lethe.retrained(job, OTHER);
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(bob);
    assertSetAside(alice);
  }

  @Test
  void anotherArtifactIsTriedWithIt() {
    // Given
    UUID alice = aliceSetAside();

    // When
    register(policy(1, YEAR), OTHER);

    // Then
    assertThat(progress(alice).getStage()).isEqualTo(ModelStage.PENDING);
    snapshot(lethe.onlyJob());
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "typo");
  }

  @Test
  void theEndOfItsModelEndsIt() {
    // Given
    UUID alice = aliceSetAside();

    // When
    lethe.retire("m");

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(alice);
              assertThat(receipt.getRetiredModels()).containsExactly("m");
            });
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
  }

  @Test
  void aFailureThatNamesNoSampleParksTheBatch() {
    // Given: as by a worker that does not say which
    registerFiringAt(2);
    UUID alice = lethe.request("alice");
    UUID bob = lethe.request("bob");

    // When
    lethe.lacks(lethe.onlyJob(), Set.of());

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
    assertThat(progress(alice).getReason()).contains("parked");
    assertThat(progress(bob).getReason()).contains("parked");
  }

  @Test
  void aJobOfWhatEarlierAnchorsHadForgottenIsParkedByIt() {
    // Given: no request is in its batch, though one that waits names the sample
    registerFiringAt(1);
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    register(policy(1, YEAR), OTHER);
    snapshot(lethe.onlyJob());
    UnlearningJob carried = lethe.onlyJob();
    assertThat(carried.getCarriedOver()).isTrue();
    lethe.request("carol");

    // When
    lethe.lacks(carried, Set.of("typo"));

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
  }

  @Test
  void aRunThatFoundTheSampleStandsOverOneThatDidNot() {
    // Given: two runs of one job, and the source deleted a sample between them
    registerFiringAt(1);
    UUID alice = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    lethe.subtract(job, diagonal(2, 1f, 2f, 3f));

    // When
    lethe.lacks(job, Set.of("typo"));

    // Then
    assertThat(lethe.model("m").getRequestsSetAside()).isZero();
    lethe.outcome(job, Verdict.RELEASE);
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(alice);
    assertThat(lethe.sums("m").orElseThrow().retained().samples()).isEqualTo(98);
  }

  @Test
  void theWordOfAPersonWasOnTheWholeBatch() {
    // Given: a person released it over its gate
    registerFiringAt(2);
    lethe.request("alice");
    lethe.request("bob");
    lethe.outcome(lethe.onlyJob(), Verdict.HOLD);
    lethe.modelCommand("m", ModelCommandKind.RELEASE);
    UnlearningJob overridden = lethe.onlyJob();
    assertThat(overridden.getGateOverridden()).isTrue();

    // When
    lethe.lacks(overridden, Set.of("typo"));

    // Then
    assertThat(lethe.onlyJob().getGateOverridden()).isFalse();
  }

  @Test
  void whatWaitedForItsNextTryGoesOnAtOnce() {
    // Given: another run of the same offer had failed in another way
    registerFiringAt(2);
    lethe.request("alice");
    lethe.request("bob");
    UnlearningJob job = lethe.onlyJob();
    lethe.outcome(job, Verdict.FAILED);

    // When
    lethe.lacks(job, Set.of("typo"));

    // Then
    UnlearningJob after = lethe.onlyJob();
    assertThat(after.getSampleIds()).containsExactly("s2");
    lethe.advance(Duration.ofMinutes(1));
    assertThat(lethe.jobs()).as("it does not wait any more").isEmpty();
  }

  @Test
  void noSampleIsLogged() {
    // Given
    ListAppender<ILoggingEvent> logged = new ListAppender<>();
    logged.start();
    Logger logger = (Logger) LoggerFactory.getLogger("io.lethe");
    logger.addAppender(logged);

    try {
      // When
      aliceSetAside();
    } finally {
      logger.detachAppender(logged);
    }

    // Then
    assertThat(logged.list)
        .extracting(ILoggingEvent::getFormattedMessage)
        .anyMatch(line -> line.contains("set aside") && line.contains("requests=1"))
        .noneMatch(line -> line.contains("typo") || line.contains("s1"));
  }
}
