package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A subject stays erased. */
class LateDataTest {
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

  private UUID erased() {
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    assertThat(lethe.receipts()).hasSize(1);
    return id;
  }

  @Test
  void newSamplesOfAnErasedSubjectAreErasedUnderAFollowUp() {
    // Given
    UUID id = erased();

    // When
    lethe.lineage("alice", "d", "s1", "s2");

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s2");
    lethe.unlearned(job);
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(receipt.getFollowUpOf()).contains(id);
    assertThat(receipt.getRequestId()).isNotEqualTo(id);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(receipt.getDueAt()).isPresent();
    // The same lineage again says nothing new.
    lethe.lineage("alice", "d", "s1", "s2");
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void twoRequestsOfOneSubjectMakeOneFollowUp() {
    // Given
    erased();
    lethe.advance(Duration.ofMinutes(1));
    lethe.request("alice");
    assertThat(lethe.receipts()).hasSize(1);

    // When
    lethe.lineage("alice", "d", "s1", "s2");

    // Then
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getRequests()).isEqualTo(1);
    lethe.unlearned(job);
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void aModelRegisteredLaterOnDataThatIsStillThereForgetsIt() {
    // Given
    UUID id = erased();

    // When
    lethe.registerAnchored("later", "d", policy(1, YEAR));

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getModelId()).isEqualTo("later");
    assertThat(job.getSampleIds()).containsExactly("s1");
    lethe.unlearned(job);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getFollowUpOf()).contains(id));
  }

  @Test
  void aModelRegisteredAfterTheSourceDeletedTheDataHasNothingToForget() {
    // Given
    erased();
    lethe.lineageTombstone("alice", "d");

    // When
    lethe.registerAnchored("later", "d", policy(1, YEAR));

    // Then
    assertThat(lethe.jobs()).isEmpty();
    // A restored backup brings the samples back: the model that forgot them says so without a job.
    lethe.lineage("alice", "d", "s1");
    assertThat(lethe.onlyJob().getModelId()).isEqualTo("later");
  }

  @Test
  void aModelThatComesBackAfterItsRetirementForgetsAgain() {
    // Given
    erased();
    lethe.retire("m");

    // When
    lethe.register("m", "d", policy(1, YEAR));

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void aCancelledRequestDoesNotBindWhatComesLater() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.CANCEL);
    assertThat(lethe.receipts()).hasSize(1);

    // When
    lethe.lineage("alice", "d", "s1", "s2");
    lethe.registerAnchored("later", "d", policy(1, YEAR));

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    lethe.command(id, "alice", RequestCommand.CANCEL);
    assertThat(lethe.lastAnswer(id).getReason()).contains("ended");
  }

  @Test
  void whatArrivesDuringALegalHoldIsMadeUpForAfterIt() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.lineage("alice", "d", "s1", "s2");
    assertThat(lethe.model("m").getPendingRequests()).isZero();

    // When
    lethe.command(id, "alice", RequestCommand.RELEASE);

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s1", "s2");
    assertThat(job.getRequests()).isEqualTo(2);
    lethe.unlearned(job);
    assertThat(lethe.receipts())
        .extracting(receipt -> receipt.getFollowUpOf().isPresent())
        .containsExactly(false, true);
  }

  @Test
  void aFollowUpOfASampleRequestNamesItsSamples() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    UUID id = lethe.requestSamples("d", List.of("s7"));
    lethe.unlearned(lethe.onlyJob());

    // When
    lethe.registerAnchored("later", "d", policy(1, YEAR));

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s7");
    lethe.unlearned(job);
    assertThat(lethe.receipts())
        .last()
        .satisfies(receipt -> assertThat(receipt.getFollowUpOf()).contains(id));
  }
}
