package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.batching.BatchingStores;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.ErasureTask;
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

class BatchingRulesTest {
  private static final Duration YEAR = Duration.ofDays(365);

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

  @Test
  void aBatchFiresOnTheCountOfItsSamples() {
    // Given
    lethe.registerAnchored(
        "m", "d", UnlearningPolicy.newBuilder(policy(100, YEAR)).setMaxSamples(3).build());
    lethe.lineage("alice", "d", "s1", "s2");
    lethe.lineage("bob", "d", "s3");
    lethe.request("alice");
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.request("bob");

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "s2", "s3");
  }

  @Test
  void aModelWithoutAnAnchorCollectsUntilItHasOne() {
    // Given
    lethe.register("m", "d", policy(1, YEAR));
    UnlearningJob anchor = lethe.onlyJob();
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    lethe.snapshot(anchor, TopologyFixture.diagonal(100, 10f));
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);

    // When
    lethe.outcome(anchor, Verdict.RELEASE);

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void aNewPolicyFiresWhatWaitsByTheOldOne() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.register("m", "d", policy(1, YEAR));

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void aBatchFiresBeforeTheNearestDueDateByTheLongestLead() {
    // Given: due on 28 February, no past jobs: 7 days before
    lethe.registerAnchored("m", "d", policy(100, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    Instant fires = Instant.parse("2026-02-21T12:00:00Z");
    lethe.advance(Duration.between(START, fires).minusSeconds(1));
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void theLeadIsLearnedFromPastJobs() {
    // Given: a job that takes 10 hours
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.request("alice");
    lethe.advance(Duration.ofHours(10));
    lethe.unlearned(lethe.jobs().get(0));
    lethe.jobs();
    lethe.register("m", "d", policy(100, YEAR));
    lethe.request("bob");

    // When: two such jobs would still fit
    Instant due = lethe.model("m").getNearestDueAt().orElseThrow();
    lethe.advance(
        Duration.between(START.plus(Duration.ofHours(10)), due.minus(Duration.ofHours(20)))
            .minusSeconds(1));
    assertThat(lethe.jobs()).isEmpty();
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s2");
  }

  @Test
  void aTaskThatOvertakesItsModelsRegistrationWaitsForIt() {
    // Given
    lethe.task(
        ErasureTask.newBuilder()
            .setRequestId(new UUID(1, 1))
            .setModelId("m")
            .setSampleIds(List.of("s1"))
            .setReceivedAt(START)
            .setDueAt(START.plus(YEAR))
            .build());

    // When
    lethe.register("m", "d", policy(1, YEAR));

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
    assertThat(lethe.deadLetters()).isZero();
  }

  private UUID held() {
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.outcome(lethe.onlyJob(), Verdict.HOLD);
    return id;
  }

  @Test
  void aReleaseThatFailedItsGateWaitsForAPersonAndTheRequestSaysSo() {
    // When
    UUID id = held();

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.HELD);
    assertThat(lethe.requestState(id).getProgress())
        .singleElement()
        .satisfies(
            progress -> {
              assertThat(progress.getStage()).isEqualTo(ModelStage.STOPPED);
              assertThat(progress.getReason()).contains("held");
            });
    lethe.advance(YEAR);
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void aPersonReleasesAHeldVersion() {
    // Given
    held();

    // When
    lethe.modelCommand("m", ModelCommandKind.RELEASE);

    // Then
    UnlearningJob again = lethe.onlyJob();
    assertThat(again.getGateOverridden()).isTrue();
    assertThat(again.getAttempt()).isEqualTo(2);
    lethe.unlearned(again);
    assertThat(lethe.versions()).hasSize(1);
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void aJobOfWhichNoOfferBringsAnOutcomeIsParked() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    lethe.onlyJob();
    lethe.advance(Duration.ofHours(1));
    assertThat(lethe.onlyJob().getAttempt()).isEqualTo(2);

    // When
    lethe.advance(Duration.ofHours(1));

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
  }

  @Test
  void aRetriedJobRunsUnderTheCurrentPolicyAndCountsItsAttemptsAnew() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    lethe.outcome(lethe.onlyJob(), Verdict.FAILED);
    lethe.advance(Duration.ofSeconds(5));
    lethe.outcome(lethe.onlyJob(), Verdict.FAILED);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    lethe.register("m", "d", policy(7, YEAR));

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRY);

    // Then
    UnlearningJob third = lethe.onlyJob();
    assertThat(third.getPolicy().getMaxRequests()).isEqualTo(7);
    lethe.outcome(third, Verdict.FAILED);
    lethe.advance(Duration.ofSeconds(5));
    lethe.unlearned(lethe.onlyJob());
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void aCommandThatNoJobWaitsForIsADeadLetter() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRY);
    lethe.modelCommand("unknown", ModelCommandKind.RETRY);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(2);
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void aRetiredModelAnswersItsRequestsAndKeepsNothingOfThem() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.lineage("carol", "d", "s3");
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    lethe.receipts();
    lethe.request("bob");
    UnlearningJob running = lethe.onlyJob();
    UUID carol = lethe.request("carol");
    lethe.command(carol, "carol", RequestCommand.HOLD);

    // When
    lethe.retire("m");

    // Then
    assertThat(lethe.receipts())
        .hasSize(2)
        .allSatisfy(
            receipt -> {
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
              assertThat(receipt.getReason()).contains("model_retired");
              assertThat(receipt.getRetiredModels()).containsExactly("m");
            });
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.RETIRED);
    assertThat(lethe.sums("m")).isEmpty();
    assertThat(lethe.keys(BatchingStores.ERASED_STORE))
        .as("no sample: the release that is to be deleted, and digests by which to know artifacts")
        .containsExactly(
            "m\u0000had\u0000" + SHA,
            "m\u0000had\u0000" + "b".repeat(64),
            "m\u0000obsolete\u0000file:/models/next");
    assertThat(lethe.isEmpty(BatchingStores.TASKS_STORE)).isTrue();
    assertThat(lethe.isEmpty(BatchingStores.HELD_STORE)).isTrue();
    assertThat(lethe.isEmpty(BatchingStores.FISHER_STORE)).isTrue();
    lethe.unlearned(running);
    assertThat(lethe.versions()).hasSize(1);
    assertThat(lethe.isEmpty(BatchingStores.FISHER_STORE)).isTrue();
  }

  @Test
  void aRetiredModelComesBackUnderOtherJobs() {
    // Given
    lethe.register("m", "d", policy(1, YEAR));
    UnlearningJob before = lethe.onlyJob();
    lethe.retire("m");

    // When
    lethe.register("m", "other", policy(1, YEAR));

    // Then
    UnlearningJob after = lethe.onlyJob();
    assertThat(after.getJobId()).isNotEqualTo(before.getJobId());
    lethe.outcome(before, Verdict.RELEASE);
    lethe.snapshot(before, diagonal(100, 10f, 20f, 30f));
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ANCHORING);
  }

  @Test
  void anotherArtifactIsANewAnchorThatForgetsAgainWhatWasErased() {
    // Given: s1 erased, s2 in a running job
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    lethe.request("bob");
    UnlearningJob running = lethe.onlyJob();
    lethe.receipts();
    lethe.versions();

    // When
    String next = "c".repeat(64);
    lethe.register("m", "d", policy(1, YEAR), next);

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getAnchorId()).isEqualTo(next);
    assertThat(lethe.sums("m")).isEmpty();
    assertThat(lethe.isEmpty(BatchingStores.FISHER_STORE)).isTrue();
    lethe.unlearned(running);
    assertThat(lethe.versions()).isEmpty();
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
    UnlearningJob carried = lethe.onlyJob();
    assertThat(carried.getCarriedOver()).isTrue();
    assertThat(carried.getSampleIds()).containsExactly("s1");
    lethe.unlearned(carried);
    assertThat(lethe.receipts()).isEmpty();
    UnlearningJob bobs = lethe.onlyJob();
    assertThat(bobs.getSampleIds()).containsExactly("s2");
    assertThat(lethe.forgetSet(bobs).getErased()).containsExactly("s1");
    lethe.unlearned(bobs);
    assertThat(lethe.receipts()).hasSize(1);
    assertThat(lethe.versions()).extracting(ModelVersion::getVersion).containsExactly(2L, 3L);
    assertThat(lethe.sums("m", next).orElseThrow().retained().samples()).isEqualTo(98);
  }
}
