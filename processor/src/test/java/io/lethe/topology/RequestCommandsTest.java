package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.GRACE;
import static io.lethe.topology.TopologyFixture.PATIENCE;
import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.Regulation;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningJob;
import io.lethe.state.Answer;
import io.lethe.state.CommandAnswer;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.topics.DeadLetterHeaders;
import io.lethe.tracking.TrackingStores;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.streams.test.TestRecord;
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
    lethe.intakeEvent(routed);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED));
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.GRANTED);
  }

  @Test
  void aCommandOnARequestThatDoesNotComeIsADeadLetterThatCanBeSentAgain() {
    // Given
    UUID id = UUID.randomUUID();
    lethe.command(id, id.toString(), RequestCommand.HOLD, "litigation", null);
    lethe.advance(PATIENCE.minusSeconds(1));
    assertThat(lethe.deadLetters()).isZero();

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    TestRecord<byte[], byte[]> letter = lethe.deadLetterRecords().get(0);
    assertThat(header(letter, DeadLetterHeaders.EXCEPTION)).endsWith("UnknownRequestException");
    assertThat(header(letter, DeadLetterHeaders.TOPIC)).isEqualTo("lethe.deletion-requests");
    assertThat(header(letter, DeadLetterHeaders.PARTITION)).isEqualTo("0");
    assertThat(header(letter, DeadLetterHeaders.OFFSET)).isEqualTo("0");
    assertThat(new String(letter.key(), StandardCharsets.UTF_8)).isEqualTo(id.toString());
    DeletionRequest command =
        lethe
            .topics
            .deletionRequests()
            .valueSerde()
            .deserializer()
            .deserialize("lethe.deletion-requests", letter.value());
    assertThat(command.getRequestId()).isEqualTo(id);
    assertThat(command.getCommand()).isEqualTo(RequestCommand.HOLD);
    assertThat(command.getReason()).contains("litigation");
    // It was given up: a request that comes now is not held.
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request(id, "alice");
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
  }

  private static String header(TestRecord<byte[], byte[]> letter, String name) {
    return DeadLetterHeaders.text(letter.headers(), name).orElseThrow();
  }

  @Test
  void commandsThatOvertakeTheirRequestAreTakenInTheirOrderWhenItArrives() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = UUID.randomUUID();
    lethe.command(id, id.toString(), RequestCommand.HOLD, "litigation", null);
    lethe.command(id, id.toString(), RequestCommand.EXTEND, "complex", null);
    lethe.advance(PATIENCE.minusSeconds(1));

    // When
    lethe.request(id, "alice");

    // Then
    assertThat(lethe.requestState(id).getCommands())
        .extracting(CommandAnswer::getCommand, CommandAnswer::getAnswer)
        .containsExactly(
            tuple(RequestCommand.HOLD, Answer.GRANTED),
            tuple(RequestCommand.EXTEND, Answer.GRANTED));
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    lethe.advance(PATIENCE);
    assertThat(lethe.deadLetters()).isZero();
  }

  @Test
  void aCancelThatOvertakesARequestWithoutLineageEndsIt() {
    // Given
    UUID id = UUID.randomUUID();
    lethe.command(id, id.toString(), RequestCommand.CANCEL);

    // When
    lethe.request(id, "alice");

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.CANCELLED));
  }

  @Test
  void moreEarlyCommandsThanAnybodyMeansAreDeadLetters() {
    // Given
    UUID id = UUID.randomUUID();

    // When
    for (int i = 0; i < 33; i++) {
      lethe.command(id, id.toString(), RequestCommand.HOLD);
    }

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
  }

  @Test
  void anExtensionUnderCcpaEndsAfterNinetyDays() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = UUID.randomUUID();
    lethe.submit(
        "alice",
        DeletionRequest.newBuilder()
            .setRequestId(id)
            .setSelector(
                Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId("alice").build())
            .setRegulation(Regulation.CCPA)
            .setReceivedAt(START)
            .build());
    assertThat(lethe.requestState(id).getDueAt()).contains(START.plus(Duration.ofDays(45)));

    // When
    Instant limit = START.plus(Duration.ofDays(90));
    lethe.command(id, "alice", RequestCommand.EXTEND, "too far", limit.plusSeconds(1));
    lethe.command(id, "alice", RequestCommand.EXTEND, "just so", limit);

    // Then
    assertThat(lethe.requestState(id).getCommands())
        .extracting(CommandAnswer::getAnswer)
        .containsExactly(Answer.REFUSED, Answer.GRANTED);
    assertThat(lethe.requestState(id).getDueAt()).contains(limit);
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
  void aReasonThatIsTooLongIsADeadLetterAndNothingOfItIsKept() {
    // Given
    UUID id = pendingRequest();
    UUID unknown = UUID.randomUUID();
    String longest = "x".repeat(1_000);

    // When
    lethe.command(id, "alice", RequestCommand.HOLD, longest + "x", null);
    lethe.command(unknown, unknown.toString(), RequestCommand.HOLD, longest + "x", null);

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(2);
    assertThat(lethe.requestState(id).getCommands()).isEmpty();
    assertThat(lethe.isEmpty(TrackingStores.EARLY_STORE)).isTrue();
    lethe.command(id, "alice", RequestCommand.HOLD, longest, null);
    assertThat(lethe.lastAnswer(id).getReason()).contains(longest);
  }

  @Test
  void aHoldOnWhatIsHeldAndAReleaseOfWhatIsNotChangeNothing() {
    // Given
    UUID id = pendingRequest();

    // When
    lethe.command(id, "alice", RequestCommand.RELEASE);
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.command(id, "alice", RequestCommand.HOLD);

    // Then
    assertThat(lethe.requestState(id).getCommands())
        .extracting(CommandAnswer::getAnswer, command -> command.getReason().orElse(""))
        .containsExactly(
            tuple(Answer.REFUSED, "not_held"),
            tuple(Answer.GRANTED, ""),
            tuple(Answer.REFUSED, "already_held"));
    assertThat(lethe.model("m").getPendingRequests()).isZero();
  }

  @Test
  void anExtensionWithoutARegulationEndsAfterSixtyDays() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    UUID id = lethe.requestSamples("d", List.of("s1"));
    Instant limit = START.plus(Duration.ofDays(60));

    // When
    lethe.command(id, id.toString(), RequestCommand.EXTEND, "too far", limit.plusSeconds(1));
    lethe.command(id, id.toString(), RequestCommand.EXTEND, "as far as it goes", null);

    // Then
    assertThat(lethe.requestState(id).getCommands())
        .extracting(CommandAnswer::getAnswer)
        .containsExactly(Answer.REFUSED, Answer.GRANTED);
    assertThat(lethe.requestState(id).getDueAt()).contains(limit);
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
