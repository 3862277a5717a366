package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.intake.IntakeSettings;
import io.lethe.intake.IntakeStores;
import io.lethe.state.Answer;
import io.lethe.state.ErasureTask;
import io.lethe.state.IntakeRequest;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.tracking.TrackingSettings;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
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
  void aHoldThatEveryModelRefusedStopsNothing() {
    // Given: one that came after the erasure
    UUID id = erased();
    lethe.command(id, "alice", RequestCommand.HOLD);
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.REFUSED);
    assertThat(lethe.intakeRequest(id).getHeld()).isFalse();

    // When
    lethe.lineage("alice", "d", "s1", "s2");

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s2");
    lethe.unlearned(job);
    lethe.registerAnchored("later", "d", policy(1, YEAR));
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1", "s2");
  }

  @Test
  void aHoldThatCameWhileTheJobRanStopsNothing() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    lethe.command(id, "alice", RequestCommand.HOLD);
    assertThat(lethe.lastAnswer(id).getReason()).contains("in_progress");

    // When
    lethe.lineage("alice", "d", "s1", "s2");

    // Then
    lethe.unlearned(job);
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s2");
  }

  @Test
  void aHoldThatOneModelGrantedHolds() {
    // Given
    lethe.registerAnchored("eager", "d", policy(1, YEAR));
    lethe.registerAnchored("lazy", "d", policy(2, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.PARTLY);

    // When
    lethe.lineage("alice", "d", "s1", "s2");

    // Then
    assertThat(lethe.model("eager").getPendingRequests()).isZero();
    assertThat(lethe.model("lazy").getPendingRequests()).isZero();
    lethe.command(id, "alice", RequestCommand.RELEASE);
    assertThat(lethe.model("eager").getPendingRequests()).isEqualTo(1);
  }

  @Test
  void aRefusalThatIsHeardOfLateDoesNotUndoAHoldThatWasGrantedSince() {
    // Given: the first came while the job ran, the second while it waits for a person
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.outcome(job, Verdict.HOLD);
    lethe.command(id, "alice", RequestCommand.HOLD);
    assertThat(lethe.lastAnswer(id).getAnswer()).isEqualTo(Answer.GRANTED);

    // When
    refused(id, 1);

    // Then
    lethe.lineage("alice", "d", "s1", "s2");
    assertThat(lethe.jobs()).isEmpty();
    lethe.command(id, "alice", RequestCommand.RELEASE);
    assertThat(lethe.jobs()).isNotEmpty();
  }

  @Test
  void whatArrivedBeforeTheRefusalIsMadeUpForOnce() {
    // Given
    lethe.registerAnchored("m", "d", policy(9, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.lineage("alice", "d", "s1", "s2");
    assertThat(lethe.model("m").getPendingRequests()).isZero();

    // When
    refused(id, 1);
    refused(id, 1);

    // Then
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
    assertThat(lethe.model("m").getPendingSamples()).isEqualTo(2);
  }

  /** A record of a version that did not keep which command the hold came by. */
  private void withoutHoldNumber(UUID id) {
    lethe
        .driver
        .<String, IntakeRequest>getKeyValueStore(IntakeStores.REQUESTS_STORE)
        .put(
            id.toString(),
            IntakeRequest.newBuilder(lethe.intakeRequest(id)).setHoldNumber(0).build());
  }

  @Test
  void aRefusedHoldOfAnOlderRecordIsHealed() {
    // Given
    lethe.registerAnchored("m", "d", policy(9, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.lineage("alice", "d", "s1", "s2");
    withoutHoldNumber(id);

    // When
    refused(id, 1);

    // Then
    assertThat(lethe.intakeRequest(id).getHeld()).isFalse();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
  }

  @Test
  void aHoldOfAnOlderRecordThatMayHaveBeenGrantedEndsByAPersonsWord() {
    // Given: another command came after the one that was refused
    lethe.registerAnchored("m", "d", policy(9, YEAR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    lethe.command(id, "alice", RequestCommand.HOLD);
    lethe.command(id, "alice", RequestCommand.HOLD);
    withoutHoldNumber(id);

    // When
    refused(id, 1);

    // Then
    assertThat(lethe.intakeRequest(id).getHeld()).isTrue();
    lethe.command(id, "alice", RequestCommand.RELEASE);
    assertThat(lethe.intakeRequest(id).getHeld()).isFalse();
  }

  /** Tells intake that every model has refused a hold. */
  private void refused(UUID id, int number) {
    lethe.feedback(
        RequestEvent.newBuilder()
            .setRequestId(id)
            .setFingerprint(lethe.intakeRequest(id).getFingerprint())
            .setKind(RequestEventKind.REFUSED)
            .setCommand(RequestCommand.HOLD)
            .setCommandNumber(number)
            .setIntakePartition(0)
            .setAt(TopologyFixture.START)
            .build());
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

  /** Looks at two earlier requests in each step. */
  private static final IntakeSettings TWO_A_STEP =
      new IntakeSettings(TopologyFixture.GRACE, Duration.ofSeconds(1), 2, null);

  private void sevenErased() {
    lethe.close();
    lethe = TopologyFixture.with(directory, TWO_A_STEP, TrackingSettings.DEFAULTS);
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    for (int i = 0; i < 7; i++) {
      lethe.lineage("p" + i, "d", "s" + i);
      lethe.request("p" + i);
      lethe.unlearned(lethe.onlyJob());
    }
    assertThat(lethe.receipts()).hasSize(7);
  }

  private int pendingOfLater() {
    return lethe.model("later").getPendingRequests();
  }

  @Test
  void manyErasedSubjectsAreLookedAtForALaterModelInBoundedSteps() {
    // Given
    sevenErased();

    // When
    lethe.registerAnchored("later", "d", policy(100, YEAR));
    int atOnce = pendingOfLater();
    lethe.lineage("new", "d", "s8");
    lethe.request("new"); // knows the model: no follow-up beside it
    lethe.advance(Duration.ofSeconds(1));
    int afterATick = pendingOfLater();
    lethe.advance(Duration.ofSeconds(1));
    lethe.advance(Duration.ofSeconds(1));
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(atOnce).isEqualTo(2);
    assertThat(afterATick).isEqualTo(5);
    assertThat(pendingOfLater()).isEqualTo(8);
    lethe.advance(Duration.ofMinutes(1));
    assertThat(pendingOfLater()).as("each once").isEqualTo(8);
  }

  private double walks(String what) {
    return lethe.driver.metrics().entrySet().stream()
        .filter(metric -> metric.getKey().name().equals("model-walks-" + what))
        .mapToDouble(metric -> (double) metric.getValue().metricValue())
        .sum();
  }

  @Test
  void howFarALaterModelIsIsAMetric() {
    // Given
    sevenErased();
    double before = walks("looked-total");

    // When
    lethe.registerAnchored("later", "d", policy(100, YEAR));

    // Then
    assertThat(walks("open")).isEqualTo(1);
    assertThat(walks("looked-total") - before).isEqualTo(2);
    assertThat(walks("left")).isEqualTo(5);
    for (int tick = 0; tick < 4; tick++) {
      lethe.advance(Duration.ofSeconds(1));
    }
    assertThat(walks("open")).isZero();
    assertThat(walks("left")).isZero();
    assertThat(walks("looked-total") - before).isEqualTo(7);
  }

  @Test
  void laterModelsAreBroughtTogetherWithEarlierRequestsInOnePass() {
    // Given: no request concerns their dataset
    sevenErased();
    double before = walks("looked-total");
    lethe.register("later", "other", policy(100, YEAR));

    // When
    lethe.register("next", "other", policy(100, YEAR));
    lethe.register("last", "other", policy(100, YEAR));

    // Then: the first goes on to the end, the other two follow together
    assertThat(walks("looked-total") - before).isEqualTo(2);
    for (int tick = 0; tick < 8; tick++) {
      lethe.advance(Duration.ofSeconds(1));
    }
    assertThat(walks("looked-total") - before).isEqualTo(7 + 7);
    assertThat(walks("open")).isZero();
  }

  @Test
  void aLaterModelIsThroughHoweverManyKeepComing() {
    // Given
    sevenErased();
    lethe.registerAnchored("later", "d", policy(100, YEAR));

    // When
    for (int tick = 0; tick < 4; tick++) {
      lethe.register("other-" + tick, "other", policy(100, YEAR));
      lethe.advance(Duration.ofSeconds(1));
    }

    // Then
    assertThat(pendingOfLater()).isEqualTo(7);
  }

  @Test
  void modelsThatAreLookedForTogetherGetOneFollowUp() {
    // Given
    sevenErased();
    lethe.register("later", "d", policy(100, YEAR));
    lethe.register("next", "d", policy(100, YEAR));
    lethe.register("last", "d", policy(100, YEAR));
    List<ErasureTask> tasks = new ArrayList<>(lethe.tasks());

    // When
    int most = 0;
    for (int tick = 0; tick < 20; tick++) {
      lethe.advance(Duration.ofSeconds(1));
      List<ErasureTask> ofTick = lethe.tasks();
      most = Math.max(most, ofTick.size());
      tasks.addAll(ofTick);
    }

    // Then: seven subjects of the first alone, and seven of the other two
    assertThat(lethe.model("later").getPendingRequests()).isEqualTo(7);
    assertThat(lethe.model("next").getPendingRequests()).isEqualTo(7);
    assertThat(lethe.model("last").getPendingRequests()).isEqualTo(7);
    assertThat(
            tasks.stream()
                .filter(task -> !task.getModelId().equals("m"))
                .map(ErasureTask::getRequestId)
                .distinct())
        .hasSize(7 + 7);
    assertThat(most).as("two tasks a step, the last one's request whole").isEqualTo(3);
  }

  @Test
  void aRestartGoesOnWhereTheLookForALaterModelWas() {
    // Given
    sevenErased();
    lethe.registerAnchored("later", "d", policy(100, YEAR));
    lethe.advance(Duration.ofSeconds(1));
    assertThat(pendingOfLater()).isEqualTo(4);

    // When
    try (TopologyFixture before = lethe) {
      lethe = before.restarted(directory.resolve("restarted"), TWO_A_STEP);
    }
    lethe.advance(Duration.ofSeconds(1));
    lethe.advance(Duration.ofSeconds(1));
    lethe.advance(Duration.ofSeconds(1));

    // Then
    assertThat(pendingOfLater()).isEqualTo(7);
    lethe.advance(Duration.ofMinutes(1));
    assertThat(pendingOfLater()).isEqualTo(7);
  }

  @Test
  void aModelThatIsRetiredMeanwhileIsNotLookedForAnyMore() {
    // Given
    sevenErased();
    lethe.registerAnchored("later", "d", policy(100, YEAR));

    // When
    lethe.retire("later");
    lethe.tasks();
    lethe.advance(Duration.ofSeconds(1));
    assertThat(lethe.tasks()).isEmpty();
    assertThat(lethe.deadLetters()).isZero();
    lethe.register("later", "d", policy(100, YEAR), "c".repeat(64));

    // Then
    lethe.advance(Duration.ofSeconds(1));
    lethe.advance(Duration.ofSeconds(1));
    lethe.advance(Duration.ofSeconds(1));
    assertThat(pendingOfLater()).isEqualTo(7);
  }

  @Test
  void requestsThatWaitForAModelAreTakenUpInBoundedSteps() {
    // Given
    lethe.close();
    lethe = TopologyFixture.with(directory, TWO_A_STEP, TrackingSettings.DEFAULTS);
    for (int i = 0; i < 5; i++) {
      lethe.lineage("p" + i, "d", "s" + i);
      lethe.request("p" + i);
    }

    // When
    lethe.registerAnchored("later", "d", policy(100, YEAR));
    int atOnce = pendingOfLater();
    lethe.advance(TopologyFixture.GRACE);

    // Then
    assertThat(atOnce).isEqualTo(2);
    assertThat(pendingOfLater()).as("none is denied that a model is there for").isEqualTo(5);
    assertThat(lethe.receipts()).isEmpty();
  }
}
