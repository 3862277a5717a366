package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.GRACE;
import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.batching.BatchingStores;
import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestCommand;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.ErasureTask;
import io.lethe.state.ModelStage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Registrations that cannot be taken, and what is asked of models that never come. */
class RegistrationRulesTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final UnlearningPolicy EXACT =
      UnlearningPolicy.newBuilder(policy(1, YEAR)).setCompletion(CompletionStage.EXACT).build();

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

  @Test
  void noRequestWaitsForAModelWhoseRegistrationIsRefused() {
    // Given: completed by a retraining, and no recipe
    lethe.register("m", "d", EXACT);
    assertThat(lethe.deadLetters()).isEqualTo(1);
    lethe.lineage("alice", "d", "s1");

    // When
    UUID id = lethe.request("alice");

    // Then
    assertThat(lethe.requestState(id).getAccepted()).isFalse();
    assertThat(lethe.tasks()).isEmpty();
    lethe.advance(GRACE);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getReason()).contains("no_match"));
  }

  @Test
  void aRegistrationThatIsRefusedChangesNothingOfTheOneBefore() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");

    // When
    lethe.register("m", "d", EXACT);
    lethe.send(
        lethe.topics.models(), "n", lethe.registration("m", "d", policy(1, YEAR), SHA).build());

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(2);
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    assertThat(lethe.receipts())
        .extracting(ErasureReceipt::getRetiredModels)
        .containsExactly(List.of());
  }

  @Test
  void whatWaitsForAModelThatIsRetiredBeforeItCameIsAnswered() {
    // Given
    UUID id = new UUID(1, 1);
    ErasureTask task =
        ErasureTask.newBuilder()
            .setRequestId(id)
            .setModelId("m")
            .setSampleIds(List.of("s1"))
            .setReceivedAt(START)
            .setDueAt(START.plus(YEAR))
            .build();
    lethe.task(task);
    lethe.task(
        ErasureTask.newBuilder(task)
            .setCommand(RequestCommand.HOLD)
            .setCommandNumber(1)
            .setSampleIds(List.of())
            .build());

    // When
    lethe.retire("m");

    // Then
    assertThat(lethe.isEmpty(BatchingStores.EARLY_STORE)).isTrue();
    assertThat(lethe.requestState(id).getProgress())
        .singleElement()
        .satisfies(progress -> assertThat(progress.getStage()).isEqualTo(ModelStage.RETIRED));
    assertThat(lethe.lastAnswer(id).getReason()).contains("not_pending");
  }
}
