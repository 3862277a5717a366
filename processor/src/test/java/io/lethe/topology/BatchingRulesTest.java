package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.state.ErasureTask;
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
}
