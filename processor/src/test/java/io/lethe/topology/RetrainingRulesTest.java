package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.batching.BatchingStores;
import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.Evaluation;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestStatus;
import io.lethe.events.SetMetrics;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.ModelStage;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two-stage completion, and when a model is trained anew. */
class RetrainingRulesTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final String NEXT = "c".repeat(64);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = new TopologyFixture(directory);
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private static UnlearningPolicy.Builder of(CompletionStage completion) {
    return UnlearningPolicy.newBuilder(policy(1, YEAR))
        .setFolds(0)
        .setMaxErasedShare(1)
        .setCompletion(completion);
  }

  private void anchored(UnlearningPolicy policy) {
    lethe.register(lethe.registration("m", "d", policy, SHA).setRecipe("{}").build());
    snapshot(lethe.onlyJob(), 100);
  }

  private void snapshot(UnlearningJob job, int samples) {
    lethe.snapshot(job, diagonal(samples, 10f, 20f, 30f));
    lethe.outcome(job, Verdict.RELEASE);
  }

  private UUID unlearned(String subject, String sample) {
    lethe.lineage(subject, "d", sample);
    UUID id = lethe.request(subject);
    lethe.unlearned(lethe.onlyJob());
    return id;
  }

  @Test
  void unlearnedCompletesARequestUnlessThePolicySaysOtherwise() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());

    // When
    UUID id = unlearned("alice", "s1");

    // Then
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(receipt.getUnlearnedAt()).isPresent();
    assertThat(receipt.getExactAt()).isEmpty();
    assertThat(lethe.requestState(id).getExactAt()).isEmpty();
  }

  @Test
  void exactIsRecordedOnARequestThatHasItsReceipt() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    UUID id = unlearned("alice", "s1");
    lethe.receipts();
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // When
    lethe.retrained(lethe.onlyJob(), NEXT);

    // Then
    assertThat(lethe.receipts()).isEmpty();
    assertThat(lethe.requestState(id).getExactAt()).contains(START);
    assertThat(lethe.requestState(id).getResults().get(0).getExactVersion()).contains(2L);
  }

  @Test
  void exactWaitsInQuarantineForTheRetrainingBeforeTheDueDate() {
    // Given: due on 28 February; no past retraining: 7 days before
    anchored(of(CompletionStage.EXACT).build());
    UUID id = unlearned("alice", "s1");
    assertThat(lethe.receipts()).isEmpty();
    assertThat(lethe.requestState(id).getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
    assertThat(lethe.requestState(id).getProgress())
        .singleElement()
        .satisfies(at -> assertThat(at.getStage()).isEqualTo(ModelStage.QUARANTINED));
    assertThat(lethe.model("m").getAwaitingExact()).isEqualTo(1);
    Instant fires = Instant.parse("2026-02-21T12:00:00Z");
    lethe.advance(Duration.between(START, fires).minusSeconds(1));
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getRecipe()).contains("{}");
    assertThat(lethe.forgetSet(job).getErased()).containsExactly("s1");
    lethe.retrained(job, NEXT);
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(receipt.getUnlearnedAt()).contains(START);
    assertThat(receipt.getExactAt()).contains(fires);
    assertThat(receipt.getModels().get(0).getExactVersion()).contains(2L);
    assertThat(lethe.isEmpty(BatchingStores.QUARANTINE_STORE)).isTrue();
  }

  @Test
  void theNearestOfSeveralDueDatesDecidesWhenToTrainAnew() {
    // Given: the second is due first
    anchored(of(CompletionStage.EXACT).build());
    unlearned("alice", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.requestAt(UUID.randomUUID(), "bob", START.minus(Duration.ofDays(10)));
    lethe.unlearned(lethe.onlyJob());
    unlearned("carol", "s3");
    Instant fires = Instant.parse("2026-02-21T12:00:00Z").minus(Duration.ofDays(7));
    lethe.advance(Duration.between(START, fires).minusSeconds(1));
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(lethe.onlyJob().getKind()).isEqualTo(JobKind.RETRAIN);
  }

  @Test
  void theLeadOfARetrainingIsLearnedFromPastOnes() {
    // Given: one that took 10 hours
    anchored(of(CompletionStage.EXACT).build());
    unlearned("alice", "s1");
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    UnlearningJob first = lethe.onlyJob();
    for (int hour = 0; hour < 10; hour++) {
      lethe.progress(first);
      for (int part = 0; part < 10; part++) {
        lethe.advance(Duration.ofMinutes(6));
        lethe.progress(first);
      }
    }
    lethe.retrained(first, NEXT);
    snapshot(lethe.onlyJob(), 99);
    unlearned("bob", "s2");

    // When: two such would still fit
    Instant due = lethe.model("m").getExactDueAt().orElseThrow();
    lethe.advance(
        Duration.between(START.plus(Duration.ofHours(10)), due.minus(Duration.ofHours(20)))
            .minusSeconds(1));
    assertThat(lethe.jobs()).isEmpty();
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(lethe.onlyJob().getKind()).isEqualTo(JobKind.RETRAIN);
  }

  @Test
  void aRetrainingIsANewAnchorAndTheOldIsDeleted() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    unlearned("alice", "s1");
    lethe.versions();
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // When
    lethe.retrained(lethe.onlyJob(), NEXT);

    // Then
    ModelVersion version = lethe.versions().get(0);
    assertThat(version.getVersion()).isEqualTo(2);
    assertThat(version.getMethod()).isEqualTo("retrain");
    assertThat(version.getAnchorId()).isEqualTo(NEXT);
    assertThat(version.getErasedSamples()).isZero();
    assertThat(lethe.sums("m")).isEmpty();
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getKind()).isEqualTo(JobKind.ANCHOR);
    assertThat(anchor.getAnchorUri()).isEqualTo("file:/models/" + NEXT);
    assertThat(anchor.getObsoleteArtifacts())
        .containsExactlyInAnyOrder("file:/models/next", "file:/models/m");
    assertThat(lethe.forgetSet(anchor).getExcluded()).containsExactly("s1");
    snapshot(anchor, 99);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
    assertThat(lethe.model("m").getExcludedSamples()).isEqualTo(1);

    // And: what comes later is unlearned from it, what it never saw is answered at once
    lethe.lineage("bob", "d", "s2");
    lethe.request("bob");
    UnlearningJob next = lethe.onlyJob();
    assertThat(next.getAnchorId()).isEqualTo(NEXT);
    assertThat(next.getParentUri()).isEmpty();
    assertThat(next.getErasedSamples()).isZero();
    assertThat(lethe.forgetSet(next).getExcluded()).containsExactly("s1");
    lethe.unlearned(next);
    lethe.receipts();
    lethe.requestSamples("d", List.of("s1"));
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void modelsThatWereDeletedWithOneAnchorAreNotNamedToTheNext() {
    // Given: with the anchor of the first retraining a release and the registered model
    anchored(of(CompletionStage.UNLEARNED).build());
    unlearned("alice", "s1");
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    lethe.retrained(lethe.onlyJob(), NEXT);
    snapshot(lethe.onlyJob(), 99);
    unlearned("bob", "s2");
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // When
    lethe.retrained(lethe.onlyJob(), "e".repeat(64));

    // Then: the release, which has the first one's name here, and the retrained model
    assertThat(lethe.onlyJob().getObsoleteArtifacts())
        .containsExactlyInAnyOrder("file:/models/next", "file:/models/" + NEXT);
  }

  @Test
  void theReleaseThatIsServedStaysUntilItsSuccessorsAnchorIsDone() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    unlearned("alice", "s1");

    // When
    lethe.register("m", "d", policy(1, YEAR), "d".repeat(64));

    // Then: neither with the next one nor after a retirement, as nothing else was released
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();
    lethe.retire("m");
    lethe.register("m", "d", policy(1, YEAR), "e".repeat(64));
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();
  }

  @Test
  void anEarlierVersionThatIsRegisteredAnewIsNotDeleted() {
    // Given: a release that a later registration has made obsolete
    anchored(of(CompletionStage.UNLEARNED).build());
    unlearned("alice", "s1");
    lethe.register("m", "d", policy(1, YEAR), "d".repeat(64));
    lethe.retire("m");

    // When
    lethe.register(
        lethe
            .registration("m", "d", policy(1, YEAR), "e".repeat(64))
            .setArtifactUri("file:/models/next")
            .build());

    // Then: not now, and not with a later anchor while it is the model's
    lethe.jobs();
    assertThat(lethe.model("m").getAnchorUri()).isEqualTo("file:/models/next");
    lethe.register("m", "d", policy(1, YEAR), "f".repeat(64));
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();
  }

  @Test
  void aPolicyOfARetrainedModelMayChangeWithoutANewAnchor() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    unlearned("alice", "s1");
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    lethe.retrained(lethe.onlyJob(), NEXT);
    snapshot(lethe.onlyJob(), 99);

    // When
    lethe.register(
        lethe
            .registration("m", "d", of(CompletionStage.UNLEARNED).setMaxRequests(9).build(), SHA)
            .setRecipe("{}")
            .build());

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.model("m").getAnchorId()).isEqualTo(NEXT);
  }

  @Test
  void anotherArtifactForgetsAgainWhatARetrainedModelNeverSaw() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    unlearned("alice", "s1");
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    lethe.retrained(lethe.onlyJob(), NEXT);
    snapshot(lethe.onlyJob(), 99);

    // When
    lethe.register("m", "d", policy(1, YEAR), "d".repeat(64));

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    snapshot(anchor, 100);
    UnlearningJob carried = lethe.onlyJob();
    assertThat(carried.getCarriedOver()).isTrue();
    assertThat(carried.getSampleIds()).containsExactly("s1");
  }

  @Test
  void aRetrainingServesWhatWaitsToo() {
    // Given: bob's request waits for a second one
    anchored(of(CompletionStage.EXACT).build());
    UUID alice = unlearned("alice", "s1");
    lethe.register(
        lethe
            .registration("m", "d", of(CompletionStage.EXACT).setMaxRequests(9).build(), SHA)
            .setRecipe("{}")
            .build());
    lethe.lineage("bob", "d", "s2");
    UUID bob = lethe.request("bob");
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s2");
    assertThat(job.getRequests()).isEqualTo(1);
    lethe.retrained(job, NEXT);
    assertThat(lethe.receipts())
        .extracting(ErasureReceipt::getRequestId)
        .containsExactlyInAnyOrder(alice, bob);
  }

  @Test
  void tooLargeAnErasedShareIsTrainedAnew() {
    // Given: at most 1 % of 100 samples
    anchored(of(CompletionStage.UNLEARNED).setMaxErasedShare(0.01).build());
    unlearned("alice", "s1");
    assertThat(lethe.jobs()).isEmpty();
    lethe.lineage("bob", "d", "s2");
    lethe.request("bob");

    // When
    lethe.unlearned(lethe.onlyJob());

    // Then
    assertThat(lethe.onlyJob().getKind()).isEqualTo(JobKind.RETRAIN);
  }

  @Test
  void erosionPastThePolicyIsTrainedAnew() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).setMaxErosion(0.02).build());
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    JobOutcome outcome = lethe.outcomeOf(job, Verdict.RELEASE);
    Evaluation before = outcome.getBefore().orElseThrow();
    Evaluation worse =
        Evaluation.newBuilder(before)
            .setHoldout(
                SetMetrics.newBuilder().setAccuracy(0.77).setLoss(0.2).setSamples(10).build())
            .build();
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));

    // When
    lethe.send(
        lethe.topics.jobOutcomes(), "m", JobOutcome.newBuilder(outcome).setAfter(worse).build());

    // Then
    assertThat(lethe.onlyJob().getKind()).isEqualTo(JobKind.RETRAIN);
  }

  @Test
  void aLadderThatEndsWithRetrainGoesOnWithIt() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).setLadder(List.of("deepclean", "retrain")).build());
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");

    // When
    lethe.outcome(lethe.onlyJob(), Verdict.ESCALATE);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(job.getSampleIds()).containsExactly("s1");
    lethe.retrained(job, NEXT);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getExactAt()).contains(START));
  }

  @Test
  void aLadderThatEndsOtherwiseWaitsForAPersonWhoMayRetrain() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    lethe.outcome(lethe.onlyJob(), Verdict.ESCALATE);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ESCALATED);
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    assertThat(lethe.onlyJob().getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.RETRAINING);
  }

  @Test
  void aRetrainingThatIsAskedForDuringAJobFollowsIt() {
    // Given
    anchored(of(CompletionStage.UNLEARNED).build());
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob running = lethe.onlyJob();
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.unlearned(running);

    // Then
    assertThat(lethe.onlyJob().getKind()).isEqualTo(JobKind.RETRAIN);
  }

  @Test
  void withoutARecipeOrAnythingErasedARetrainingIsADeadLetter() {
    // Given
    lethe.registerAnchored("n", "e", policy(1, YEAR));
    anchored(of(CompletionStage.UNLEARNED).build());

    // When
    lethe.modelCommand("n", ModelCommandKind.RETRAIN);
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(2);
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void exactWithoutARecipeIsADeadLetter() {
    // When
    lethe.register("m", "d", of(CompletionStage.EXACT).build());

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.model("m")).isNull();
  }

  @Test
  void aRetiredModelReleasesWhatWaitedForItsRetraining() {
    // Given
    anchored(of(CompletionStage.EXACT).build());
    unlearned("alice", "s1");

    // When
    lethe.retire("m");

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getUnlearnedAt()).isPresent();
              assertThat(receipt.getExactAt()).isEmpty();
              assertThat(receipt.getRetiredModels()).containsExactly("m");
            });
    assertThat(lethe.isEmpty(BatchingStores.QUARANTINE_STORE)).isTrue();
  }

  @Test
  void aJobThatGivesSignsOfLifeIsNotLost() {
    // Given: an offer is lost after an hour, a job that was begun after 10 minutes of silence
    anchored(of(CompletionStage.UNLEARNED).build());
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    for (int minutes = 0; minutes < 90; minutes += 9) {
      lethe.progress(job);
      lethe.advance(Duration.ofMinutes(9));
    }
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.advance(Duration.ofMinutes(2));

    // Then
    assertThat(lethe.onlyJob().getAttempt()).isEqualTo(2);
  }
}
