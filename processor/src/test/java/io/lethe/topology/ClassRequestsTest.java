package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.GRACE;
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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Requests for whole classes, and what any request must be like. */
class ClassRequestsTest {
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

  private static DeletionRequest.Builder request(Selector.Builder selector) {
    return DeletionRequest.newBuilder()
        .setRequestId(ID)
        .setSelector(selector.build())
        .setReceivedAt(START);
  }

  private static Selector.Builder classes(String... names) {
    return Selector.newBuilder().setKind(SelectorKind.CLASS).setClasses(List.of(names));
  }

  private void submit(DeletionRequest.Builder request) {
    lethe.submit(ID.toString(), request.build());
  }

  private void registerThree() {
    lethe.registerAnchored("a", "d", policy(9, YEAR));
    lethe.registerAnchored("b", "d", policy(9, YEAR));
    lethe.registerAnchored("c", "e", policy(9, YEAR));
  }

  @Test
  void aClassIsForgottenByAllModelsWithoutLineage() {
    // Given
    registerThree();

    // When
    submit(request(classes("3", "7")));

    // Then
    assertThat(lethe.requestState(ID).getModels()).containsExactly("a", "b", "c");
    assertThat(lethe.tasks())
        .hasSize(3)
        .allSatisfy(
            task -> {
              assertThat(task.getClasses()).containsExactly("3", "7");
              assertThat(task.getSampleIds()).isEmpty();
            });
  }

  @Test
  void aClassIsAskedForOnceUnderWhateverNameItHas() {
    // Given
    registerThree();

    // When
    submit(request(classes("03", "3", "+7", "cat")));

    // Then
    assertThat(lethe.tasks())
        .hasSize(3)
        .allSatisfy(task -> assertThat(task.getClasses()).containsExactly("3", "7", "cat"));
    lethe.registerAnchored("later", "d", policy(9, YEAR));
    assertThat(lethe.tasks().get(0).getClasses()).containsExactly("3", "7", "cat");
  }

  @Test
  void aLabelThatIsTooLongIsDenied() {
    // When
    submit(request(classes("3", "x".repeat(1_001))));

    // Then
    assertThat(receipt().getReason()).contains("invalid_classes");
  }

  @Test
  void onlyTheModelsThatARequestForSamplesNamesForgetThem() {
    // Given
    registerThree();

    // When
    submit(
        request(
                Selector.newBuilder()
                    .setKind(SelectorKind.SAMPLES)
                    .setDatasetId("d")
                    .setSampleIds(List.of("s1")))
            .setModels(List.of("b", "c", "unknown")));

    // Then: c was not trained on the data, and nobody knows of the last
    assertThat(lethe.requestState(ID).getModels()).containsExactly("b");
    assertThat(lethe.tasks())
        .singleElement()
        .satisfies(
            task -> {
              assertThat(task.getModelId()).isEqualTo("b");
              assertThat(task.getSampleIds()).containsExactly("s1");
            });
  }

  @Test
  void aSubjectOfTwoDatasetsIsForgottenByTheModelsOfBoth() {
    // Given
    registerThree();
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("alice", "e", "s2", "s3");

    // When
    lethe.request(ID, "alice");

    // Then
    assertThat(lethe.requestState(ID).getModels()).containsExactly("a", "b", "c");
    assertThat(lethe.tasks())
        .extracting(ErasureTask::getModelId, ErasureTask::getSampleIds)
        .containsExactly(
            tuple("a", List.of("s1")), tuple("b", List.of("s1")), tuple("c", List.of("s2", "s3")));
  }

  @Test
  void aDatasetOrNamesSayWhichModelsAreMeant() {
    // Given
    registerThree();

    // When
    submit(request(classes("3").setDatasetId("d")).setModels(List.of("b", "c")));

    // Then
    assertThat(lethe.requestState(ID).getModels()).containsExactly("b");
  }

  @ParameterizedTest
  @CsvSource({
    "d,   , later, d, true", // the dataset that was named
    "d,   , later, e, false",
    " ,   , later, d, true", // those of the models that there were
    " ,   , later, e, true",
    " ,   , later, f, false",
    " , a b later, later, f, true", // a model that was named before it came
    " , a b, later, d, false",
    "d, a later, later, d, true",
    "d, a later, later, e, false",
  })
  void aClassStaysForgottenByModelsThatComeLater(
      String dataset, String named, String modelId, String trainedOn, boolean bound) {
    // Given
    registerThree();
    submit(
        request(classes("3").setDatasetId(dataset))
            .setModels(named == null ? List.of() : List.of(named.split(" "))));
    lethe.tasks();

    // When
    lethe.registerAnchored(modelId, trainedOn, policy(9, YEAR));

    // Then
    List<ErasureTask> tasks = lethe.tasks();
    assertThat(tasks).hasSize(bound ? 1 : 0);
    assertThat(tasks)
        .allSatisfy(
            task -> {
              assertThat(task.getModelId()).isEqualTo(modelId);
              assertThat(task.getClasses()).containsExactly("3");
              assertThat(lethe.requestState(task.getRequestId()).getFollowUpOf()).contains(ID);
            });
  }

  @Test
  void aCancelledClassRequestBindsNothing() {
    // Given
    registerThree();
    submit(request(classes("3")));
    lethe.command(ID, ID.toString(), RequestCommand.CANCEL);
    assertThat(lethe.requestState(ID).getStatus()).isEqualTo(RequestStatus.CANCELLED);
    lethe.tasks();

    // When
    lethe.registerAnchored("later", "d", policy(9, YEAR));

    // Then
    assertThat(lethe.tasks()).isEmpty();
  }

  @Test
  void whatCameInALegalHoldIsMadeUpForAfterIt() {
    // Given
    registerThree();
    submit(request(classes("3").setDatasetId("d")));
    lethe.command(ID, ID.toString(), RequestCommand.HOLD);
    lethe.registerAnchored("later", "d", policy(9, YEAR));
    lethe.tasks();

    // When
    lethe.command(ID, ID.toString(), RequestCommand.RELEASE);

    // Then
    assertThat(lethe.tasks())
        .filteredOn(task -> task.getCommand() == RequestCommand.ERASE)
        .extracting(ErasureTask::getModelId)
        .contains("later");
  }

  @Test
  void aClassRequestWaitsForAModelAsOthersDo() {
    // Given
    submit(request(classes("3").setDatasetId("d")));
    assertThat(lethe.requestState(ID).getStatus()).isEqualTo(RequestStatus.PENDING);
    lethe.registerAnchored("other", "e", policy(9, YEAR));
    assertThat(lethe.requestState(ID).getAccepted()).isFalse();

    // When
    lethe.registerAnchored("a", "d", policy(9, YEAR));

    // Then
    assertThat(lethe.requestState(ID).getModels()).containsExactly("a");
    assertThat(lethe.tasks()).extracting(ErasureTask::getModelId).containsExactly("a");
  }

  @Test
  void aClassThatNoModelKnowsOfIsDeniedAfterTheGracePeriod() {
    // Given
    submit(request(classes("3")));

    // When
    lethe.advance(GRACE);

    // Then
    assertThat(receipt().getReason()).contains("no_match");
  }

  private ErasureReceipt receipt() {
    List<ErasureReceipt> receipts = lethe.receipts();
    assertThat(receipts).hasSize(1);
    assertThat(receipts.get(0).getStatus()).isEqualTo(RequestStatus.DENIED);
    return receipts.get(0);
  }

  @ParameterizedTest
  @CsvSource({
    "SUBJECT,      , d,  s, 3, invalid_subject",
    "SUBJECT,    '', d,  s, 3, invalid_subject",
    "SAMPLES, alice,  ,  s, 3, invalid_dataset",
    "SAMPLES, alice, d,   , 3, invalid_samples",
    "SAMPLES, alice, d, '', 3, invalid_samples",
    "CLASS,   alice, d,  s,  , invalid_classes",
    "CLASS,   alice, d,  s,'', invalid_classes",
    "CLASS,   alice,'',  s, 3, invalid_dataset",
  })
  void aSelectorThatSelectsNothingIsDeniedWithWhatItLacks(
      SelectorKind kind,
      String subject,
      String dataset,
      String sample,
      String label,
      String reason) {
    // When
    submit(
        request(
            Selector.newBuilder()
                .setKind(kind)
                .setSubjectId(subject)
                .setDatasetId(dataset)
                .setSampleIds(sample == null ? List.of() : List.of(sample))
                .setClasses(label == null ? List.of() : List.of(label))));

    // Then
    assertThat(receipt().getReason()).contains(reason);
  }

  @Test
  void aModelWithoutANameIsDenied() {
    // When
    submit(request(classes("3")).setModels(List.of("")));

    // Then
    assertThat(receipt().getReason()).contains("invalid_models");
  }

  @ParameterizedTest
  @CsvSource({
    "GDPR,  2026-01-31T12:00:00Z", // not after its receipt
    "GDPR,  2026-02-28T12:00:01Z", // a calendar month, and a second
    "CCPA,  2026-03-17T12:00:01Z", // 45 days, and a second
    "OTHER, 2026-01-31T11:00:00Z",
  })
  void aDueDateBeyondTheLawIsDenied(Regulation regulation, Instant dueAt) {
    // When
    submit(request(classes("3")).setRegulation(regulation).setDueAt(dueAt));

    // Then
    assertThat(receipt().getReason()).contains("invalid_due");
  }

  @ParameterizedTest
  @CsvSource({
    "GDPR,  2026-02-28T12:00:00Z",
    "CCPA,  2026-03-17T12:00:00Z",
    "OTHER, 2030-01-01T00:00:00Z",
    "GDPR,  2026-02-02T00:00:00Z",
  })
  void aDueDateWithinTheLawIsKept(Regulation regulation, Instant dueAt) {
    // When
    submit(request(classes("3")).setRegulation(regulation).setDueAt(dueAt));

    // Then
    assertThat(lethe.requestState(ID).getDueAt()).contains(dueAt);
  }

  @ParameterizedTest
  @CsvSource({
    "GDPR,  2026-02-28T12:00:00Z", // a calendar month
    "CCPA,  2026-03-17T12:00:00Z", // 45 days
    "OTHER, 2026-03-02T12:00:00Z", // 30 days
  })
  void aRequestThatNamesNoDueDateHasThatOfItsRegulation(Regulation regulation, Instant dueAt) {
    // When
    submit(request(classes("3")).setRegulation(regulation));

    // Then
    assertThat(lethe.requestState(ID).getDueAt()).contains(dueAt);
  }

  @Test
  void onlyTheModelsThatASubjectNamesForgetIt() {
    // Given
    registerThree();
    lethe.lineage("alice", "d", "s1");

    // When
    lethe.submit(
        "alice",
        request(Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId("alice"))
            .setModels(List.of("b", "c", "unknown"))
            .build());

    // Then: c was not trained on the data, and nobody knows of the last
    assertThat(lethe.requestState(ID).getModels()).containsExactly("b");
    assertThat(lethe.tasks()).extracting(ErasureTask::getModelId).containsExactly("b");
  }

  @Test
  void aSubjectWhoseDataTheSourceHasDeletedIsDeniedWithThatReason() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineageTombstone("alice", "d");
    lethe.request(ID, "alice");
    assertThat(lethe.requestState(ID).getStatus()).isEqualTo(RequestStatus.PENDING);

    // When
    lethe.advance(GRACE);

    // Then
    assertThat(receipt().getReason()).contains("source_deleted");
  }
}
