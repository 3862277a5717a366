package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.ModelResult;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestSignal;
import io.lethe.events.RequestStatus;
import io.lethe.events.SignalKind;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelStage;
import io.lethe.state.RequestState;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrackingRulesTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final Instant DUE = Instant.parse("2026-02-28T12:00:00Z");

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
  void aRequestThatIsNotDoneIsSignalledBeforeItsDueDateAndWhenItHasPassed() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.advance(Duration.between(START, DUE).minusDays(5).minusSeconds(1));
    assertThat(lethe.signals()).isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(1));
    List<RequestSignal> near = lethe.signals();
    lethe.advance(Duration.ofDays(5));
    List<RequestSignal> passed = lethe.signals();
    lethe.advance(YEAR);

    // Then
    assertThat(near)
        .singleElement()
        .satisfies(
            signal -> {
              assertThat(signal.getRequestId()).isEqualTo(id);
              assertThat(signal.getKind()).isEqualTo(SignalKind.AT_RISK);
              assertThat(signal.getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
            });
    assertThat(passed).extracting(RequestSignal::getKind).containsExactly(SignalKind.OVERDUE);
    assertThat(lethe.signals()).isEmpty();
  }

  @Test
  void anExtensionPutsTheSignalsOff() {
    // Given
    lethe.registerAnchored("m", "d", policy(100, YEAR));
    UUID id = lethe.request("alice");
    lethe.lineage("alice", "d", "s1");

    // When
    lethe.command(id, "alice", RequestCommand.EXTEND, "complex", null);
    lethe.advance(Duration.between(START, DUE));

    // Then
    assertThat(lethe.signals()).isEmpty();
  }

  @Test
  void aRequestThatIsDoneIsNotSignalled() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.advance(Duration.ofMinutes(2));

    // When
    lethe.unlearned(lethe.onlyJob());

    // Then
    lethe.advance(YEAR);
    assertThat(lethe.signals()).isEmpty();
    RequestState state = lethe.requestState(id);
    Instant done = START.plus(Duration.ofMinutes(2));
    assertThat(state.getAcceptedAt()).contains(START);
    assertThat(state.getStartedAt()).contains(START);
    assertThat(state.getUnlearnedAt()).contains(done);
    assertThat(state.getEndedAt()).contains(done);
  }

  @Test
  void theFailureOfOneOfSeveralModelsIsVisible() {
    // Given
    lethe.registerAnchored("m1", "d", policy(1, YEAR));
    lethe.registerAnchored("m2", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    List<UnlearningJob> jobs = lethe.jobs();

    // When
    lethe.unlearned(jobs.get(0));
    lethe.outcome(jobs.get(1), Verdict.HOLD);

    // Then
    RequestState state = lethe.requestState(id);
    assertThat(state.getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
    assertThat(state.getProgress())
        .extracting(ModelProgress::getModelId, ModelProgress::getStage)
        .containsExactlyInAnyOrder(
            org.assertj.core.groups.Tuple.tuple("m1", ModelStage.UNLEARNED),
            org.assertj.core.groups.Tuple.tuple("m2", ModelStage.STOPPED));
    // The receipt waits for it, and names it when the model is given up.
    assertThat(lethe.receipts()).isEmpty();
    lethe.retire("m2");
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
              assertThat(receipt.getModels())
                  .extracting(ModelResult::getModelId)
                  .containsExactly("m1");
              assertThat(receipt.getRetiredModels()).containsExactly("m2");
            });
  }

  @Test
  void aRequestThatWaitsForLineageIsPendingFromItsAcceptanceOn() {
    // When
    UUID id = lethe.request("alice");

    // Then
    RequestState state = lethe.requestState(id);
    assertThat(state.getStatus()).isEqualTo(RequestStatus.PENDING);
    assertThat(state.getReceivedAt()).isEqualTo(START);
    assertThat(state.getDueAt()).contains(DUE);
  }

  @Test
  void aDeadLetterSaysWhyAndWhere() {
    // When
    lethe.command(UUID.randomUUID(), "alice", RequestCommand.UNKNOWN);

    // Then
    TestRecord<byte[], byte[]> letter = lethe.deadLetterRecords().get(0);
    assertThat(header(letter, "__streams.errors.message")).contains("the command is not known");
    assertThat(header(letter, "__streams.errors.topic")).isEqualTo("lethe.deletion-requests");
    assertThat(header(letter, "__streams.errors.exception"))
        .contains("io.lethe.intake.InvalidRequestException");
    assertThat(new String(letter.key(), StandardCharsets.UTF_8)).isEqualTo("alice");
  }

  private static String header(TestRecord<byte[], byte[]> letter, String name) {
    return new String(letter.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  @Test
  void lineageThatIsLargerThanItsTopicTakesIsADeadLetterAndNothingStops() {
    // Given: 900 samples with names of 20,000 characters, which a broker takes compressed
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    String[] names =
        IntStream.range(0, 900).mapToObj(i -> "x".repeat(20_000) + i).toArray(String[]::new);

    // When
    lethe.lineage("alice", "d", names);
    lethe.lineage("bob", "d", "s1");
    lethe.request("alice");
    lethe.request("bob");

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }
}
