package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.START;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelResult;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Two requests under one id. The test driver has one partition; what a second one would say is put
 * on the topics between the sub-topologies.
 */
class RequestIdsTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final UUID ID = new UUID(4, 2);

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

  /** A step of one of two requests: which content, and whether intake or the model says it. */
  private record Step(int content, boolean accepted) {}

  private static ByteBuffer content(int number) {
    return ByteBuffer.wrap(new byte[] {0, 0, 0, 0, 0, 0, 0, (byte) number});
  }

  private static void permute(List<Step> rest, List<Step> chosen, List<List<Step>> all) {
    if (rest.isEmpty()) {
      all.add(List.copyOf(chosen));
    }
    for (Step step : rest) {
      List<Step> left = new ArrayList<>(rest);
      left.remove(step);
      chosen.add(step);
      permute(left, chosen, all);
      chosen.remove(chosen.size() - 1);
    }
  }

  private void take(UUID id, Step step) {
    RequestEvent.Builder event =
        RequestEvent.newBuilder()
            .setRequestId(id)
            .setFingerprint(content(step.content()))
            .setAt(START);
    if (step.accepted()) {
      lethe.intakeEvent(
          event
              .setKind(RequestEventKind.ACCEPTED)
              .setModels(List.of("m"))
              .setIntakePartition(step.content())
              .setReceivedAt(START)
              .setDueAt(START.plus(YEAR))
              .build());
    } else {
      ModelResult result =
          new ModelResult("m", (long) step.content(), "a".repeat(64), 1, START, null);
      lethe.batchingEvents(
          event.setKind(RequestEventKind.UNLEARNED).setModelId("m").setModelResult(result).build());
    }
  }

  @Test
  void theFirstKeepsTheIdAndTheOtherEndsByItselfInWhateverOrderTheyAreReportedOn() {
    // Given
    List<List<Step>> orders = new ArrayList<>();
    permute(
        List.of(new Step(1, true), new Step(1, false), new Step(2, true), new Step(2, false)),
        new ArrayList<>(),
        orders);
    assertThat(orders).hasSize(24);
    for (int i = 0; i < orders.size(); i++) {
      UUID id = new UUID(1, i);
      List<Step> steps = orders.get(i);
      int first = steps.get(0).content();

      // When: all is delivered twice
      steps.forEach(step -> take(id, step));
      steps.forEach(step -> take(id, step));

      // Then
      List<ErasureReceipt> receipts = lethe.receipts();
      assertThat(receipts).as("%s", steps).hasSize(2);
      assertThat(receipts)
          .filteredOn(receipt -> receipt.getRequestId().equals(id))
          .singleElement()
          .satisfies(
              receipt -> {
                assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
                assertThat(receipt.getModels())
                    .extracting(ModelResult::getVersion)
                    .as("what was erased for the first, %s", steps)
                    .containsExactly((long) first);
              });
      assertThat(receipts)
          .filteredOn(receipt -> receipt.getSentAs().isPresent())
          .singleElement()
          .satisfies(
              receipt -> {
                assertThat(receipt.getSentAs()).contains(id);
                assertThat(receipt.getReason()).contains("request_id_taken");
                // What a model had begun with is erased, and is not called denied.
                assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
                assertThat(receipt.getModels())
                    .extracting(ModelResult::getVersion)
                    .containsExactly(3L - first);
              });
      assertThat(lethe.requestState(id).getConflicts()).hasSize(1);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "WITHDRAWN, WITHDRAWN, DENIED, 0, 2",
    "WITHDRAWN, UNLEARNED, COMPLETED, 1, 1",
    "UNLEARNED, UNLEARNED, COMPLETED, 2, 0",
    "RETIRED, WITHDRAWN, DENIED, 0, 1",
  })
  void theOneWithoutTheIdIsDeniedUnlessAModelHadBegunWithIt(
      RequestEventKind first, RequestEventKind second, RequestStatus status, int done, int left) {
    // Given
    take(ID, new Step(1, true));
    RequestEvent.Builder other =
        RequestEvent.newBuilder()
            .setRequestId(ID)
            .setFingerprint(content(2))
            .setCommand(RequestCommand.CANCEL)
            .setCommandNumber(1)
            .setModels(List.of("a", "b"))
            .setIntakePartition(2)
            .setReceivedAt(START)
            .setDueAt(START.plus(YEAR))
            .setAt(START);
    lethe.intakeEvent(other.setKind(RequestEventKind.ACCEPTED).build());
    assertThat(lethe.receipts()).isEmpty();

    // When
    answer(other, "a", first);
    answer(other, "b", second);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getSentAs()).contains(ID);
              assertThat(receipt.getStatus()).isEqualTo(status);
              assertThat(receipt.getReason()).contains("request_id_taken");
              assertThat(receipt.getModels()).hasSize(done);
              assertThat(receipt.getWithdrawnModels()).hasSize(left);
            });
    assertThat(lethe.requestState(ID).getStatus()).isEqualTo(RequestStatus.PENDING);
  }

  private void answer(RequestEvent.Builder about, String modelId, RequestEventKind kind) {
    lethe.batchingEvents(
        about
            .setKind(kind)
            .setModelId(modelId)
            .setModelResult(
                kind == RequestEventKind.UNLEARNED
                    ? new ModelResult(modelId, 1L, "a".repeat(64), 1, START, null)
                    : null)
            .build());
  }

  @Test
  void anotherContentOnTheSamePartitionIsDeniedOnceAndTheFirstGoesOn() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.request(ID, "alice");

    // When
    lethe.request(ID, "bob");
    lethe.request(ID, "bob");

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getSentAs()).contains(ID);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
              assertThat(receipt.getReason()).contains("request_id_taken");
            });
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s1");
    lethe.unlearned(job);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED));
  }

  @Test
  void aModelTellsTheTasksOfTheTwoApart() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("carol", "d", "s3");
    lethe.request(ID, "alice");
    ErasureTask other =
        ErasureTask.newBuilder()
            .setRequestId(ID)
            .setModelId("m")
            .setFingerprint(content(2))
            .setSampleIds(List.of("s2"))
            .setReceivedAt(START)
            .setDueAt(START.plus(YEAR))
            .build();
    lethe.registerAnchored("lazy", "e", policy(9, YEAR));
    lethe.task(ErasureTask.newBuilder(other).setModelId("lazy").build());

    // When: the other is taken back
    lethe.task(
        ErasureTask.newBuilder(other)
            .setModelId("lazy")
            .setCommand(RequestCommand.CANCEL)
            .setSampleIds(List.of())
            .build());
    lethe.task(
        ErasureTask.newBuilder(other)
            .setCommand(RequestCommand.CANCEL)
            .setSampleIds(List.of())
            .build());

    // Then
    assertThat(lethe.model("lazy").getPendingRequests()).isZero();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
    lethe.request("carol");
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "s3");
  }

  @Test
  void intakeTakesBackWhatItBeganForARequestWhoseIdIsTaken() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request(ID, "alice");
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);

    // When
    lethe.feedback(taken(lethe.intakeRequest(ID).getFingerprint()));

    // Then
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    lethe.lineage("alice", "d", "s1", "s2");
    assertThat(lethe.model("m").getPendingRequests()).as("bound by it").isZero();
    // A command under the id is for the one that has it, wherever that is.
    lethe.command(ID, "alice", RequestCommand.HOLD);
    assertThat(lethe.intakeRequest(ID).getHeld()).isFalse();
    // Sent again it stays denied.
    lethe.requestAt(ID, "alice", START);
    assertThat(lethe.model("m").getPendingRequests()).isZero();
  }

  @Test
  void aRequestThatWaitsIsTakenBackToo() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.request(ID, "alice");

    // When
    lethe.feedback(taken(lethe.intakeRequest(ID).getFingerprint()));

    // Then: and ends at once
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getReason()).contains("request_id_taken"));
    lethe.lineage("alice", "d", "s1");
    assertThat(lethe.model("m").getPendingRequests()).isZero();
    lethe.advance(TopologyFixture.GRACE);
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void whatIsSaidOfAnotherContentIsNotForThisRequest() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request(ID, "alice");

    // When
    lethe.feedback(taken(content(9)));

    // Then
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
  }

  private static RequestEvent taken(ByteBuffer fingerprint) {
    return RequestEvent.newBuilder()
        .setRequestId(ID)
        .setFingerprint(fingerprint)
        .setKind(RequestEventKind.DENIED)
        .setIntakePartition(0)
        .setAt(START)
        .build();
  }
}
