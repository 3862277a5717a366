package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.RequestCommand;
import io.lethe.events.UnlearningJob;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which of the requests that wait a batch takes, and which of them makes it fire. */
class BatchOrderTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final Duration AGE = Duration.ofMinutes(10);
  private static final UUID CLASSES = new UUID(9, 1);

  /** Of the 1,000 samples that a job takes. */
  private static final int MORE_THAN_HALF = 600;

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private static List<String> samples(int first) {
    return IntStream.range(first, first + MORE_THAN_HALF)
        .mapToObj(i -> "%05d".formatted(i))
        .toList();
  }

  /** A job runs, and behind it wait samples, a class, and more samples. */
  private UnlearningJob aClassAmongSamples() {
    lethe.registerAnchored("m", "d", policy(1, AGE));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob running = lethe.onlyJob();
    lethe.requestSamples("d", samples(0));
    lethe.requestClasses(CLASSES, "d", List.of(), "3");
    lethe.requestSamples("d", samples(1_000));
    lethe.requestSamples("d", samples(2_000));
    return running;
  }

  @Test
  void aJobTakesNoMoreSamplesThanTheSettingsSay() {
    // Given
    UnlearningJob running = aClassAmongSamples();

    // When
    lethe.unlearned(running);

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactlyElementsOf(samples(0));
  }

  @Test
  void aClassThatStandsAmongSamplesIsPassedOver() {
    // Given
    lethe.unlearned(aClassAmongSamples());

    // When
    lethe.unlearned(lethe.onlyJob());

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactlyElementsOf(samples(1_000));
  }

  @Test
  void aClassThatIsDueItselfIsNotPassedOverForEver() {
    // Given
    UnlearningJob running = aClassAmongSamples();
    lethe.advance(AGE);
    lethe.unlearned(running);
    UnlearningJob before = lethe.onlyJob();
    assertThat(before.getSampleIds()).containsExactlyElementsOf(samples(0));

    // When
    lethe.unlearned(before);

    // Then
    UnlearningJob classes = lethe.onlyJob();
    assertThat(classes.getClasses()).containsExactly("3");
    lethe.unlearned(classes, Map.of("3", List.of("x")));
    assertThat(lethe.onlyJob().getSampleIds()).containsExactlyElementsOf(samples(1_000));
  }

  @Test
  void classesWhoseLabelsFillNoRecordAreServedInSeveralJobs() {
    // Given: two requests of 5 MiB each
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    String padding = "x".repeat(990);
    for (int request = 0; request < 2; request++) {
      int first = request * 5_000;
      lethe.requestClasses(
          new UUID(9, request),
          "d",
          List.of(),
          IntStream.range(first, first + 5_000)
              .mapToObj(i -> "%05d%s".formatted(i, padding))
              .toArray(String[]::new));
    }

    // When
    UnlearningJob first = lethe.onlyJob();

    // Then
    assertThat(first.getClasses()).hasSize(5_000);
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
  }

  @Test
  void whatTheOldestDecidedIsDecidedByTheNextOnceItIsWithdrawn() {
    // Given
    lethe.registerAnchored("m", "d", policy(100, Duration.ofHours(1)));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    UUID alice = lethe.request("alice");
    lethe.advance(Duration.ofMinutes(30));
    lethe.request("bob");

    // When
    lethe.command(alice, "alice", RequestCommand.CANCEL);

    // Then: no pass over all that wait for each of many withdrawals; that comes with the hour
    assertThat(lethe.model("m").getOldestPendingAt()).contains(START);
    lethe.advance(Duration.ofMinutes(59));
    assertThat(lethe.model("m").getOldestPendingAt()).contains(START.plus(Duration.ofMinutes(30)));
    assertThat(lethe.jobs()).isEmpty();
    lethe.advance(Duration.ofMinutes(1));
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s2");
  }

  @Test
  void aBatchWaitsForTheExtendedDueDate() {
    // Given: due on 28 February, and without past jobs fired 7 days before
    lethe.registerAnchored("m", "d", policy(100, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID alice = lethe.request("alice");

    // When: until the end of April
    lethe.command(alice, "alice", RequestCommand.EXTEND, "many requests", null);

    // Then
    Instant fires = Instant.parse("2026-04-23T12:00:00Z");
    lethe.advance(Duration.between(START, fires).minusSeconds(1));
    assertThat(lethe.jobs()).isEmpty();
    lethe.advance(Duration.ofSeconds(1));
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void nothingIsDecidedByWhatABatchHasTaken() {
    // Given: a batch of two leaves a third behind, whose age counts from its own arrival
    lethe.registerAnchored("m", "d", policy(2, Duration.ofHours(1)));
    for (String subject : List.of("alice", "bob", "carol")) {
      lethe.lineage(subject, "d", "s-" + subject);
    }
    lethe.request("alice");
    lethe.advance(Duration.ofMinutes(30));
    lethe.request("bob");
    UnlearningJob running = lethe.onlyJob();
    lethe.request("carol");

    // When
    lethe.unlearned(running);

    // Then
    lethe.advance(Duration.ofMinutes(59));
    assertThat(lethe.jobs()).isEmpty();
    lethe.advance(Duration.ofMinutes(1));
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s-carol");
  }
}
