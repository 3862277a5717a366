package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.GRACE;
import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.state.Answer;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RequestCommandsTest {
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

  private UUID pendingRequest() {
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1", "s2");
    lethe.lineage("bob", "d", "s3");
    lethe.lineage("carol", "d", "s4");
    return lethe.request("alice");
  }

  @Test
  void aCancelWhilePendingWithdrawsTheRequestAndEndsItOnce() {
    // Given
    UUID id = pendingRequest();

    // When
    lethe.command(id, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(id);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED);
              assertThat(receipt.getModels()).isEmpty();
              assertThat(receipt.getWithdrawnModels()).containsExactly("m");
            });
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    assertThat(lethe.model("m").getPendingSamples()).isZero();
    // The batch of two fires with two others, without the withdrawn one.
    lethe.request("bob");
    assertThat(lethe.jobs()).isEmpty();
    lethe.request("carol");
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s3", "s4");
  }

  @Test
  void aCancelThatComesTooLateIsAnsweredAndTheRequestGoesOn() {
    // Given
    UUID id = pendingRequest();
    lethe.request("bob");
    UnlearningJob job = lethe.onlyJob();

    // When
    lethe.command(id, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.REFUSED);
    assertThat(lethe.lastAnswer(id).getReason()).contains("in_progress");
    lethe.unlearned(job);
    assertThat(lethe.receipts())
        .hasSize(2)
        .allSatisfy(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED));
    lethe.command(id, "alice", RequestCommand.CANCEL);
    assertThat(lethe.requestState(id).getCommands()).hasSize(2);
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.REFUSED);
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void aCancelReachesTheModelsThatHaveNotBegun() {
    // Given
    lethe.registerAnchored("eager", "d", policy(1, YEAR));
    lethe.registerAnchored("lazy", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();

    // When
    lethe.command(id, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.PARTLY);
    assertThat(lethe.receipts()).isEmpty();
    lethe.unlearned(job);
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(receipt.getModels())
        .singleElement()
        .satisfies(result -> assertThat(result.getModelId()).isEqualTo("eager"));
    assertThat(receipt.getWithdrawnModels()).containsExactly("lazy");
  }

  @Test
  void aRequestThatWaitsForLineageIsCancelledAtOnce() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    UUID id = lethe.request("alice");

    // When
    lethe.command(id, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED));
    lethe.lineage("alice", "d", "s1");
    lethe.advance(GRACE);
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void aCommandUnderAnotherKeyFindsItsRequest() {
    // Given
    UUID id = pendingRequest();
    RequestEvent routed =
        RequestEvent.newBuilder()
            .setRequestId(id)
            .setKind(RequestEventKind.ROUTED)
            .setCommand(RequestCommand.CANCEL)
            .setReceivedAt(START)
            .setAt(START)
            .build();

    // When: what intake says about a command on a request that its partition does not know
    lethe.requestEvent("intake-events", routed);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED));
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.GRANTED);
  }

  @Test
  void aCommandOnAnUnknownRequestIsADeadLetter() {
    // When
    lethe.command(UUID.randomUUID(), "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
  }

  @Test
  void anExtensionMovesTheDueDateWithinTheRegulationsLimit() {
    // Given
    UUID id = pendingRequest();

    // When
    lethe.command(id, "alice", RequestCommand.EXTEND, "many requests", null);

    // Then
    // GDPR: three months from 31 January in all.
    Instant extended = Instant.parse("2026-04-30T12:00:00Z");
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.GRANTED);
    assertThat(lethe.lastAnswer(id).getReason()).contains("many requests");
    assertThat(lethe.requestState(id).getDueAt()).contains(extended);
    assertThat(lethe.model("m").getNearestDueAt()).contains(extended);
    lethe.command(id, "alice", RequestCommand.EXTEND, "again", null);
    assertThat(lethe.lastAnswer(id).getReason()).contains("already_extended");
  }

  @Test
  void anExtensionNeedsAReasonAndMustBeAskedForInTime() {
    // Given
    UUID id = pendingRequest();

    // When
    lethe.command(id, "alice", RequestCommand.EXTEND);
    lethe.command(id, "alice", RequestCommand.EXTEND, "too far", START.plus(YEAR));
    lethe.command(id, "alice", RequestCommand.EXTEND, "not later", START.plusSeconds(1));
    lethe.advance(Duration.ofDays(29));
    lethe.command(id, "alice", RequestCommand.EXTEND, "after the first month", null);

    // Then
    assertThat(lethe.requestState(id).getCommands())
        .allSatisfy(command -> assertThat(command.getAnswer()).isEqualTo(Answer.REFUSED))
        .extracting(command -> command.getReason().orElseThrow())
        .containsExactly("reason_missing", "beyond_limit", "beyond_limit", "too_late");
    assertThat(lethe.requestState(id).getDueAt()).contains(Instant.parse("2026-02-28T12:00:00Z"));
  }

  @Test
  void aLegalHoldKeepsARequestOutOfBatchesUntilItIsReleased() {
    // Given
    UUID id = pendingRequest();
    lethe.command(id, "alice", RequestCommand.HOLD, "litigation", null);
    lethe.request("bob");
    lethe.request("carol");
    UnlearningJob without = lethe.onlyJob();
    assertThat(without.getSampleIds()).containsExactly("s3", "s4");
    lethe.unlearned(without);
    assertThat(lethe.receipts()).hasSize(2);
    lethe.advance(YEAR);
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.command(id, "alice", RequestCommand.RELEASE);

    // Then
    // Its due date has passed meanwhile: the batch fires at once.
    lethe.unlearned(lethe.onlyJob());
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getRequestId()).isEqualTo(id));
    assertThat(lethe.requestState(id).getCommands())
        .extracting(command -> command.getAnswer())
        .containsExactly(Answer.GRANTED, Answer.GRANTED);
  }

  @Test
  void aLegalHoldStopsTheGracePeriod() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.advance(GRACE.multipliedBy(2));
    lethe.lineage("alice", "d", "s1");
    assertThat(lethe.receipts()).isEmpty();
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.command(id, "alice", RequestCommand.RELEASE);

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.GRANTED);
  }

  @Test
  void aHeldRequestCanBeCancelled() {
    // Given
    UUID id = pendingRequest();
    lethe.command(id, "alice", RequestCommand.HOLD);

    // When
    lethe.command(id, "alice", RequestCommand.CANCEL);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED));
    lethe.command(id, "alice", RequestCommand.RELEASE);
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.REFUSED);
    assertThat(List.of(lethe.model("m").getPendingRequests())).containsExactly(0);
  }
}
