package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.Answer;
import io.lethe.state.ModelStage;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Jobs that wait for a person, and the requests that they are for. */
class StoppedJobsTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final String RETRAINED = "c".repeat(64);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.lineage("carol", "d", "s3");
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private void registerFiringAt(int requests) {
    register(UnlearningPolicy.newBuilder(policy(requests, YEAR)));
    snapshot(lethe.onlyJob());
  }

  private void register(UnlearningPolicy.Builder policy) {
    lethe.register(
        lethe
            .registration("m", "d", policy.setFolds(0).setMaxErasedShare(1).build(), SHA)
            .setRecipe("{}")
            .build());
  }

  private void snapshot(UnlearningJob anchor) {
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
  }

  /** As of a job that names a sample which the dataset lacks. */
  private void park(UnlearningJob job) {
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.FAILED))
            .setRetryable(false)
            .setError("the dataset lacks 1 of 2 samples that the job names")
            .build());
  }

  @Test
  void whatCannotSucceedAnotherTimeIsParkedAtOnce() {
    // Given: a policy of two attempts
    registerFiringAt(1);
    lethe.request("alice");

    // When
    park(lethe.onlyJob());

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    lethe.advance(Duration.ofHours(3));
    assertThat(lethe.jobs()).isEmpty();
  }

  private List<BlockingModel> blocking(UUID requestId) {
    return BlockingModel.awaited(lethe.requestState(requestId)).stream()
        .flatMap(modelId -> BlockingModel.of(lethe.model(modelId)).stream())
        .toList();
  }

  @Test
  void whoeverWaitsBehindAStoppedJobIsToldWhatBlocksIt() {
    // Given: bob waits for the next batch
    registerFiringAt(1);
    UUID alice = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    UUID bob = lethe.request("bob");
    assertThat(blocking(bob)).isEmpty();

    // When
    park(job);

    // Then
    BlockingModel parked =
        new BlockingModel("m", Optional.of(Phase.PARKED), Optional.of(job.getJobId()));
    assertThat(blocking(alice)).containsExactly(parked);
    assertThat(blocking(bob)).containsExactly(parked);
    assertThat(lethe.requestState(bob).getProgress()).isEmpty();

    // And: no longer once a person says to go on, nor where the request has ended
    lethe.modelCommand("m", ModelCommandKind.RETRY);
    assertThat(blocking(alice)).isEmpty();
    assertThat(blocking(bob)).isEmpty();
    lethe.unlearned(lethe.onlyJob());
    park(lethe.onlyJob());
    assertThat(blocking(alice)).isEmpty();
    assertThat(blocking(bob)).hasSize(1);
  }

  @Test
  void whoeverWaitsForARetrainingIsToldWhatBlocksIt() {
    // Given: a release that does not complete alice's request
    register(UnlearningPolicy.newBuilder(policy(1, YEAR)).setCompletion(CompletionStage.EXACT));
    snapshot(lethe.onlyJob());
    UUID alice = lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    UUID bob = lethe.request("bob");
    UnlearningJob job = lethe.onlyJob();

    // When
    lethe.outcome(job, Verdict.HOLD);

    // Then: bob under a legal hold waits for nothing else
    assertThat(blocking(alice)).extracting(BlockingModel::phase).contains(Optional.of(Phase.HELD));
    assertThat(blocking(bob)).isEqualTo(blocking(alice));
    lethe.modelCommand("m", ModelCommandKind.RELEASE);
    assertThat(blocking(alice)).isEmpty();
    lethe.outcome(lethe.onlyJob(), Verdict.HOLD);
    lethe.command(bob, "bob", RequestCommand.HOLD);
    assertThat(blocking(bob)).isEmpty();
  }

  @Test
  void aRequestThatAJobFailsByIsCancelledAndTheOthersGoOn() {
    // Given
    registerFiringAt(2);
    UUID alice = lethe.request("alice");
    UUID bob = lethe.request("bob");
    UnlearningJob before = lethe.onlyJob();
    park(before);

    // When
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(alice);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED);
              assertThat(receipt.getWithdrawnModels()).containsExactly("m");
            });
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    lethe.modelCommand("m", ModelCommandKind.RETRY);
    UnlearningJob after = lethe.onlyJob();
    assertThat(after.getSampleIds()).containsExactly("s2");
    assertThat(after.getRequests()).isEqualTo(1);
    assertThat(after.getJobId()).isNotEqualTo(before.getJobId());
    lethe.unlearned(before); // by a worker that was given up
    assertThat(lethe.versions()).isEmpty();
    lethe.unlearned(after);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(bob);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
            });
    assertThat(lethe.sums("m").orElseThrow().retained().samples()).isEqualTo(99);
  }

  @Test
  void aJobOfWhichNothingIsLeftNeedsNoPerson() {
    // Given
    registerFiringAt(1);
    UUID alice = lethe.request("alice");
    park(lethe.onlyJob());
    lethe.request("bob");

    // When
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s2");
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.UNLEARNING);
  }

  @Test
  void whatEarlierBatchesHadErasedNeedsNoJobOnceTheRestIsCancelled() {
    // Given: a batch of s1, which is erased, and s2
    registerFiringAt(1);
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    lethe.receipts();
    register(UnlearningPolicy.newBuilder(policy(2, YEAR)));
    lethe.advance(Duration.ofSeconds(1));
    UUID again = lethe.request("alice");
    UUID bob = lethe.request("bob");
    park(lethe.onlyJob());
    lethe.command(bob, "bob", RequestCommand.CANCEL);
    lethe.receipts();

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRY);

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(again);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
  }

  @Test
  void aLegalHoldTakesARequestOutOfAJobThatFailedItsGateAndItsEndBringsItBack() {
    // Given
    registerFiringAt(2);
    UUID alice = lethe.request("alice");
    lethe.request("bob");
    lethe.outcome(lethe.onlyJob(), Verdict.HOLD);

    // When
    lethe.command(alice, "alice", RequestCommand.HOLD, "litigation", null);

    // Then
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(lethe.requestState(alice).getProgress())
        .singleElement()
        .satisfies(progress -> assertThat(progress.getStage()).isEqualTo(ModelStage.HELD));
    lethe.modelCommand("m", ModelCommandKind.RELEASE);
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s2");
    assertThat(job.getGateOverridden()).isTrue();
    lethe.unlearned(job);
    lethe.command(alice, "alice", RequestCommand.RELEASE);
    lethe.request("carol");
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "s3");
  }

  @Test
  void aRetrainingThatWaitsServesEarlierReleasesWithoutTheCancelledRequest() {
    // Given: alice's was released and waits for the retraining, which bob's is a part of
    register(UnlearningPolicy.newBuilder(policy(1, YEAR)).setCompletion(CompletionStage.EXACT));
    snapshot(lethe.onlyJob());
    UUID alice = lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    register(UnlearningPolicy.newBuilder(policy(9, YEAR)).setCompletion(CompletionStage.EXACT));
    UUID bob = lethe.request("bob");
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    park(lethe.onlyJob());

    // When
    lethe.command(bob, "bob", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    lethe.receipts();
    lethe.modelCommand("m", ModelCommandKind.RETRY);
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getSampleIds()).isEmpty();
    lethe.retrained(job, RETRAINED);
    assertThat(lethe.receipts()).extracting(ErasureReceipt::getRequestId).containsExactly(alice);
  }

  @Test
  void aRetrainingInsteadOfAJobGoesWithoutTheCancelledRequest() {
    // Given
    registerFiringAt(2);
    UUID alice = lethe.request("alice");
    lethe.request("bob");
    park(lethe.onlyJob());
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getSampleIds()).containsExactly("s2");
    assertThat(job.getRequests()).isEqualTo(1);
  }

  @Test
  void aJobThatRunsKeepsItsRequests() {
    // Given
    registerFiringAt(1);
    UUID alice = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();

    // When
    lethe.command(alice, "alice", RequestCommand.HOLD, "litigation", null);

    // Then
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.REFUSED);
    assertThat(lethe.lastAnswer(alice).getReason()).contains("in_progress");
    lethe.unlearned(job);
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void aRetrainingThatIsAskedForWhileItsAnchorWaitsFollowsTheAnchor() {
    // Given
    register(UnlearningPolicy.newBuilder(policy(9, YEAR)));
    park(lethe.onlyJob());
    lethe.request("alice");

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getKind()).isEqualTo(JobKind.ANCHOR);
    snapshot(anchor);
    UnlearningJob retraining = lethe.onlyJob();
    assertThat(retraining.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(retraining.getSampleIds()).containsExactly("s1");
  }

  @ParameterizedTest
  @EnumSource(
      value = ModelCommandKind.class,
      names = {"RETRY", "RELEASE"})
  void aJobWhoseLadderIsUsedUpGoesOnByAPersonsWord(ModelCommandKind word) {
    // Given
    registerFiringAt(1);
    lethe.request("alice");
    lethe.outcome(lethe.onlyJob(), Verdict.ESCALATE);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ESCALATED);

    // When
    lethe.modelCommand("m", word);

    // Then
    UnlearningJob again = lethe.onlyJob();
    assertThat(again.getKind()).isEqualTo(JobKind.UNLEARN);
    assertThat(again.getGateOverridden()).isEqualTo(word == ModelCommandKind.RELEASE);
    lethe.unlearned(again);
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void aParkedJobIsNotReleased() {
    // Given: it has no outcome that a person could stand in for
    registerFiringAt(1);
    lethe.request("alice");
    park(lethe.onlyJob());

    // When
    lethe.modelCommand("m", ModelCommandKind.RELEASE);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
  }

  @Test
  void aWordOnAnotherJobThanTheOneThatWaitsIsADeadLetter() {
    // Given
    registerFiringAt(1);
    lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    park(job);

    // When
    retry(UUID.randomUUID());

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.jobs()).isEmpty();
    retry(job.getJobId());
    assertThat(lethe.onlyJob().getJobId()).isEqualTo(job.getJobId());
  }

  private void retry(UUID jobId) {
    lethe.send(
        lethe.topics.modelCommands(),
        "m",
        ModelCommand.newBuilder()
            .setModelId("m")
            .setJobId(jobId)
            .setCommand(ModelCommandKind.RETRY)
            .setGivenAt(TopologyFixture.START)
            .build());
  }

  @Test
  void eachFailureDoublesTheWaitForTheNextOffer() {
    // Given
    register(UnlearningPolicy.newBuilder(policy(1, YEAR)).setMaxAttempts(4));
    snapshot(lethe.onlyJob());
    lethe.request("alice");

    for (int seconds = 5; seconds <= 20; seconds *= 2) {
      // When
      lethe.outcome(lethe.onlyJob(), Verdict.FAILED);
      lethe.advance(Duration.ofSeconds(seconds - 1));

      // Then
      assertThat(lethe.jobs()).isEmpty();
      lethe.advance(Duration.ofSeconds(1));
    }
    lethe.outcome(lethe.onlyJob(), Verdict.FAILED);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
  }

  @Test
  void theFailureOfAnOfferThatAnotherHasTakenThePlaceOfSaysNothing() {
    // Given: the first offer counts as lost
    registerFiringAt(1);
    lethe.request("alice");
    UnlearningJob first = lethe.onlyJob();
    lethe.advance(Duration.ofHours(1));
    UnlearningJob second = lethe.onlyJob();
    assertThat(second.getAttempt()).isEqualTo(2);

    // When
    park(first);
    lethe.outcome(first, Verdict.HOLD);

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.UNLEARNING);
    assertThat(lethe.model("m").getJobId()).isEqualTo(Optional.of(second.getJobId()));
    lethe.unlearned(first); // its release is as good as the second's
    assertThat(lethe.versions()).hasSize(1);
    lethe.unlearned(second);
    assertThat(lethe.versions()).isEmpty();
    assertThat(List.of(lethe.receipts().size())).containsExactly(1);
  }
}
