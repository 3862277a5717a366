package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.batching.BatchingStores;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.Answer;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Outcomes that do not say all that a version needs. */
class OutcomeRulesTest {
  private static final String RETRAINED = "c".repeat(64);

  private enum Field {
    ARTIFACT_URI,
    ARTIFACT_SHA256,
    METHOD,
    BEFORE,
    AFTER
  }

  @TempDir Path directory;
  private TopologyFixture lethe;
  private UUID alice;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(policy(1, Duration.ofDays(365)))
            .setFolds(0)
            .setMaxErasedShare(1)
            .build();
    lethe.register(lethe.registration("m", "d", policy, SHA).setRecipe("{}").build());
    UnlearningJob anchor = lethe.onlyJob();
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
    lethe.lineage("alice", "d", "s1");
    alice = lethe.request("alice");
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private void released(UnlearningJob job, Field missing) {
    JobOutcome.Builder outcome = JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.RELEASE));
    switch (missing) {
      case ARTIFACT_URI -> outcome.clearArtifactUri();
      case ARTIFACT_SHA256 -> outcome.clearArtifactSha256();
      case METHOD -> outcome.clearMethod();
      case BEFORE -> outcome.clearBefore();
      case AFTER -> outcome.clearAfter();
    }
    lethe.send(lethe.topics.jobOutcomes(), "m", outcome.build());
  }

  @ParameterizedTest
  @EnumSource
  void aReleaseThatLacksSomethingIsADeadLetterAndTheJobGoesOn(Field missing) {
    // Given
    UnlearningJob job = lethe.onlyJob();
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));

    // When
    released(job, missing);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.keys(BatchingStores.ERASED_STORE))
        .as("only the artifact as registered")
        .containsExactly("m\u0000had\u0000" + TopologyFixture.SHA);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.UNLEARNING);
    lethe.unlearned(job);
    assertThat(lethe.versions()).extracting(ModelVersion::getSamples).containsExactly(1);
    assertThat(lethe.model("m").getErasedSamples()).isEqualTo(1);
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void aTickLooksAtNoMoreModelsThanOneTransactionTakes() {
    // Given: more models than that, all of whose jobs are lost at the same time
    for (int model = 0; model <= 1_000; model++) {
      lethe.register("m" + model, "d", policy(1, Duration.ofDays(365)));
    }
    int offered = lethe.jobs().size();

    // When
    lethe.advance(Duration.ofHours(2));

    // Then
    assertThat(lethe.jobs()).hasSize(1_000);
    lethe.advance(Duration.ofSeconds(1));
    assertThat(lethe.jobs()).hasSize(offered - 1_000);
  }

  @Test
  void aReleaseThatLacksSomethingDoesNotWaitForItsUpdate() {
    // Given
    UnlearningJob job = lethe.onlyJob();
    released(job, Field.AFTER);

    // When
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));

    // Then: only the outcome is broken, and the next one is taken
    assertThat(lethe.deadLetters()).isEqualTo(1);
    lethe.outcome(job, Verdict.RELEASE);
    assertThat(lethe.versions()).hasSize(1);
  }

  @ParameterizedTest
  @EnumSource
  void soIsARetrainingThatLacksSomething(Field missing) {
    // Given
    UnlearningJob unlearning = lethe.onlyJob();
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    lethe.unlearned(unlearning);
    lethe.versions();
    UnlearningJob job = lethe.onlyJob();

    // When
    released(job, missing);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.RETRAINING);
    assertThat(lethe.forgetSet(job).getErased()).containsExactly("s1");
    lethe.retrained(job, RETRAINED);
    assertThat(lethe.versions()).extracting(ModelVersion::getVersion).containsExactly(2L);
    assertThat(lethe.model("m").getExcludedSamples()).isEqualTo(1);
  }

  @Test
  void aRequestWhoseSamplesAreInTheSumsCannotBeTakenOutOfAJobThatWaitsForAPerson() {
    // Given: of two runs of the job, one whose outcome is yet to come, one that the gate held
    UnlearningJob job = lethe.onlyJob();
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));
    lethe.outcome(job, Verdict.HOLD);

    // When
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // Then: the job that goes on is the one that was subtracted, and is so once
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.REFUSED);
    lethe.modelCommand("m", ModelCommandKind.RETRY);
    UnlearningJob again = lethe.onlyJob();
    assertThat(again.getJobId()).isEqualTo(job.getJobId());
    lethe.unlearned(again);
    assertThat(lethe.sums("m").orElseThrow().retained())
        .usingRecursiveComparison()
        .isEqualTo(diagonal(99, 9f, 18f, 27f));
    assertThat(lethe.receipts())
        .singleElement()
        .extracting(ErasureReceipt::getStatus)
        .isEqualTo(RequestStatus.COMPLETED);
  }

  @Test
  void aRetrainingInPlaceOfAJobThatIsInTheSumsIsNeededThoughItsRequestsAreCancelled() {
    // Given: subtracted, held, and trained anew instead, which fails for good
    UnlearningJob job = lethe.onlyJob();
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));
    lethe.outcome(job, Verdict.HOLD);
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    UnlearningJob retraining = lethe.onlyJob();
    lethe.lacks(retraining, List.of("nowhere"));

    // When
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // Then: the sums are still without s1, until there is another anchor
    assertThat(lethe.lastAnswer(alice).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    lethe.modelCommand("m", ModelCommandKind.RETRY);
    UnlearningJob again = lethe.onlyJob();
    assertThat(again.getSampleIds()).isEmpty();
    lethe.retrained(again, "c".repeat(64));
    assertThat(lethe.model("m").getAnchorId()).isEqualTo("c".repeat(64));
    assertThat(lethe.sums("m")).isEmpty();
  }
}
