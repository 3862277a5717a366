package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.GRACE;
import static io.lethe.topology.TopologyFixture.INTAKE;
import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.intake.IntakeSettings;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.tracking.TrackingSettings;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is forgotten of requests that have ended, and when. */
class RetentionTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final Duration RETENTION = Duration.ofDays(400);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @AfterEach
  void stop() {
    lethe.close();
  }

  private void start(IntakeSettings intake) {
    lethe =
        TopologyFixture.with(
            directory,
            intake,
            new TrackingSettings(
                Duration.ofSeconds(1), Duration.ofDays(5), RETENTION, Duration.ofMinutes(10)));
  }

  private List<String> keys(String store) {
    List<String> keys = new ArrayList<>();
    try (KeyValueIterator<Object, Object> all =
        lethe.driver.<Object, Object>getKeyValueStore(store).all()) {
      all.forEachRemaining(entry -> keys.add(entry.key.toString()));
    }
    return keys;
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
  void aRequestIsKnownUntilTheRetentionAfterItsEndIsOver() {
    // Given
    start(INTAKE);
    UUID id = erased();
    lethe.advance(RETENTION.minusSeconds(1));
    assertThat(lethe.requestState(id).getStatus()).isEqualTo(RequestStatus.COMPLETED);
    lethe.requestAt(id, "alice", START);
    assertThat(lethe.receipts()).as("a duplicate, still recognised").isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(lethe.requestState(id)).isNull();
    assertThat(lethe.intakeRequest(id)).isNull();
    for (String store :
        List.of(
            "tracking-requests",
            "tracking-deadlines",
            "tracking-early",
            "intake-requests",
            "intake-waiting",
            "intake-grace",
            "batching-tasks",
            "batching-task-index",
            "batching-held",
            "batching-early",
            "batching-jobs")) {
      assertThat(keys(store)).as(store).isEmpty();
    }
  }

  @Test
  void ofARequestThatHasEndedTheDueDateIsNoMoreThanLookedAt() {
    // Given
    start(INTAKE);
    UUID id = erased();
    List<String> toWarn = keys("tracking-deadlines");

    // When
    lethe.advance(YEAR);

    // Then
    assertThat(lethe.signals()).isEmpty();
    assertThat(keys("tracking-deadlines")).hasSize(1).doesNotContainAnyElementsOf(toWarn);
    assertThat(lethe.requestState(id).getStatus()).isEqualTo(RequestStatus.COMPLETED);
  }

  @Test
  void aSubjectStaysErasedWhenItsRequestIsForgotten() {
    // Given
    start(INTAKE);
    UUID id = erased();
    lethe.advance(RETENTION);
    assertThat(lethe.requestState(id)).isNull();

    // When
    lethe.lineage("alice", "d", "s1", "s2");

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s2");
    lethe.unlearned(job);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getFollowUpOf()).contains(id));
  }

  @Test
  void aBindingEndsWhereThatIsConfigured() {
    // Given
    Duration bound = Duration.ofDays(30);
    start(new IntakeSettings(GRACE, Duration.ofSeconds(1), 5_000, bound));
    erased();
    lethe.advance(bound);
    assertThat(keys("intake-erasures")).as("to the day").hasSize(1);

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(keys("intake-erasures")).isEmpty();
    lethe.lineage("alice", "d", "s1", "s2");
    assertThat(lethe.jobs()).isEmpty();
  }

  @Test
  void deniedAndCancelledRequestsAreForgottenToo() {
    // Given
    start(INTAKE);
    lethe.registerAnchored("m", "d", policy(9, YEAR));
    UUID denied = lethe.request("nobody");
    lethe.advance(GRACE);
    lethe.lineage("alice", "d", "s1");
    UUID cancelled = lethe.request("alice");
    lethe.command(cancelled, "alice", RequestCommand.CANCEL);
    assertThat(lethe.receipts()).hasSize(2);

    // When
    lethe.advance(RETENTION);

    // Then
    assertThat(keys("tracking-requests")).isEmpty();
    assertThat(keys("intake-requests")).isEmpty();
    assertThat(lethe.requestState(denied)).isNull();
  }

  @Test
  void aRequestThatHasNotEndedIsKept() {
    // Given
    start(INTAKE);
    lethe.registerAnchored("m", "d", policy(9, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);

    // When
    lethe.advance(RETENTION.multipliedBy(3));

    // Then
    assertThat(lethe.requestState(id).getStatus()).isEqualTo(RequestStatus.PENDING);
    lethe.command(id, "alice", RequestCommand.RELEASE);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void whatIsReportedOnNobodysRequestIsForgottenAsWell() {
    // Given
    start(INTAKE);
    UUID id = UUID.randomUUID();
    lethe.batchingEvents(
        RequestEvent.newBuilder()
            .setRequestId(id)
            .setFingerprint(ByteBuffer.wrap(new byte[] {1}))
            .setKind(RequestEventKind.RETIRED)
            .setModelId("m")
            .setAt(START)
            .build());
    assertThat(lethe.requestState(id)).isNotNull();

    // When
    lethe.advance(RETENTION);

    // Then
    assertThat(keys("tracking-requests")).isEmpty();
  }
}
