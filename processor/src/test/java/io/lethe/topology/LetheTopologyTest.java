package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.GRACE;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.attestation.Finding;
import io.lethe.attestation.SigningKey;
import io.lethe.attestation.Verifier;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.JobKind;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelResult;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.state.Phase;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.topics.DeadLetter;
import io.lethe.topics.DeadLetterHeaders;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LetheTopologyTest {
  private static final Duration HOUR = Duration.ofHours(1);

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
  void aRegisteredModelIsAnchoredAndThenCollects() {
    // When
    lethe.register("m", "d", policy(1, HOUR));

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.ANCHOR);
    assertThat(job.getSampleIds()).isEmpty();
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ANCHORING);

    lethe.snapshot(job, diagonal(100, 10f, 20f, 30f));
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ANCHORING);
    lethe.outcome(job, Verdict.RELEASE);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
    assertThat(lethe.model("m").getTrainingSamples()).isEqualTo(100);
  }

  @Test
  void aBatchFiresOnCountAndEndsInAVersionAndAReceiptPerRequest() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, HOUR));
    lethe.lineage("alice", "d", "s1", "s2");
    lethe.lineage("bob", "d", "s3");

    // When
    UUID alice = lethe.request("alice");
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.requestState(alice).getStatus()).isEqualTo(RequestStatus.PENDING);
    UUID bob = lethe.request("bob");

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getSampleIds()).containsExactly("s1", "s2", "s3");
    assertThat(job.getRequests()).isEqualTo(2);
    assertThat(lethe.requestState(alice).getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
    assertThat(lethe.receipts()).isEmpty();

    lethe.unlearned(job);

    ModelVersion version = lethe.versions().get(0);
    assertThat(version.getVersion()).isEqualTo(1);
    assertThat(version.getParent()).isEqualTo(0);
    assertThat(version.getSamples()).isEqualTo(3);
    List<ErasureReceipt> receipts = lethe.receipts();
    assertThat(receipts).extracting(ErasureReceipt::getRequestId).containsExactly(alice, bob);
    assertThat(receipts)
        .allSatisfy(
            receipt -> {
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
              assertThat(receipt.getModels()).hasSize(1);
              assertThat(receipt.getModels().get(0).getVersion()).isEqualTo(1);
            });
    // GDPR: one month from 31 January.
    assertThat(receipts.get(0).getDueAt()).contains(Instant.parse("2026-02-28T12:00:00Z"));
  }

  @Test
  void versionsAndReceiptsAreSigned() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");

    // When
    lethe.unlearned(lethe.onlyJob());

    // Then
    Verifier verifier =
        new Verifier(List.of(SigningKey.loadOrCreate(directory.resolve("key.pem")).publicKey()));
    ModelVersion version = lethe.versions().get(0);
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(wrong(verifier.verify(version))).isEmpty();
    assertThat(wrong(verifier.verify(receipt))).isEmpty();
    assertThat(wrong(verifier.verify(ErasureReceipt.newBuilder(receipt).setReason("x").build())))
        .isNotEmpty();
    assertThat(wrong(verifier.verify(ModelVersion.newBuilder(version).setErasedSamples(9).build())))
        .isNotEmpty();
  }

  private static List<Finding> wrong(List<Finding> findings) {
    return findings.stream().filter(f -> f.level() == Finding.Level.WRONG).toList();
  }

  @Test
  void aBatchFiresOnAge() {
    // Given
    lethe.registerAnchored("m", "d", policy(100, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    lethe.advance(HOUR.minusSeconds(2));
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(2));

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
  }

  @Test
  void oneJobIsInFlightAndTheNextBatchNamesWhatWasErasedBefore() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.request("alice");
    UnlearningJob first = lethe.onlyJob();
    lethe.request("bob");
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.unlearned(first);

    // Then
    UnlearningJob second = lethe.onlyJob();
    assertThat(second.getSampleIds()).containsExactly("s2");
    assertThat(second.getErasedSamples()).isEqualTo(1);
    assertThat(lethe.forgetSet(second).getErased()).containsExactly("s1");
    assertThat(second.getJobId()).isNotEqualTo(first.getJobId());
    lethe.unlearned(second);
    assertThat(lethe.versions()).extracting(ModelVersion::getVersion).containsExactly(1L, 2L);
    assertThat(lethe.sums("m").orElseThrow().retained().samples()).isEqualTo(98);
    assertThat(lethe.sums("m").orElseThrow().retained().tensors().get(0).values())
        .containsExactly(8f, 16f, 24f);
    assertThat(lethe.sums("m").orElseThrow().erased().tensors().get(0).values())
        .containsExactly(2f, 4f, 6f);
  }

  @Test
  void aRepeatedRequestIsDroppedAndOneWithOtherContentIsDenied() {
    // Given
    lethe.registerAnchored("m", "d", policy(2, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    UUID id = UUID.randomUUID();
    lethe.request(id, "alice");

    // When
    lethe.request(id, "alice");
    lethe.request(id, "bob");

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.model("m").getPendingRequests()).isEqualTo(1);
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getSentAs()).contains(id);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
            });
  }

  @Test
  void anUnknownSubjectIsDeniedAfterTheGracePeriod() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    UUID id = lethe.request("nobody");
    lethe.advance(GRACE.minusSeconds(1));
    assertThat(lethe.receipts()).isEmpty();

    // When
    lethe.advance(Duration.ofSeconds(1));

    // Then
    ErasureReceipt receipt = lethe.receipts().get(0);
    assertThat(receipt.getRequestId()).isEqualTo(id);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
    assertThat(receipt.getReason()).contains("no_match");
    assertThat(receipt.getModels()).isEmpty();
    lethe.advance(GRACE);
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void lineageThatArrivesWithinTheGracePeriodWakesTheRequest() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.request("alice");

    // When
    lethe.lineage("alice", "d", "s1");

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
    lethe.advance(GRACE);
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void aModelThatArrivesWithinTheGracePeriodWakesTheRequest() {
    // Given
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");

    // When
    lethe.registerAnchored("m", "d", policy(1, HOUR));

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
    assertThat(lethe.requestState(id).getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
  }

  @Test
  void aRequestWithoutASubjectIsDeniedAsInvalid() {
    // When
    UUID id = lethe.request("");

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(id);
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
              assertThat(receipt.getReason()).contains("invalid_subject");
            });
  }

  @Test
  void aVersionWaitsForItsFisherUpdate() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    lethe.outcome(job, Verdict.RELEASE);
    assertThat(lethe.versions()).isEmpty();

    // When
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));

    // Then
    assertThat(lethe.versions()).hasSize(1);
    assertThat(lethe.receipts()).hasSize(1);
  }

  @Test
  void everythingDeliveredTwiceCountsOnce() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();

    // When
    lethe.unlearned(job);
    lethe.unlearned(job);

    // Then
    assertThat(lethe.versions()).hasSize(1);
    assertThat(lethe.receipts()).hasSize(1);
    assertThat(lethe.sums("m").orElseThrow().retained().tensors().get(0).values())
        .containsExactly(9f, 18f, 27f);
  }

  @Test
  void aSecondRequestForErasedSamplesIsAnsweredWithoutAJob() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());
    lethe.advance(Duration.ofMinutes(1));

    // When
    UUID again = lethe.request("alice");

    // Then
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.receipts())
        .last()
        .satisfies(
            receipt -> {
              assertThat(receipt.getRequestId()).isEqualTo(again);
              assertThat(receipt.getModels().get(0).getVersion()).isEqualTo(1);
            });
  }

  @Test
  void aRequestIsCompletedWhenTheLastOfItsModelsIsDone() {
    // Given
    lethe.registerAnchored("m1", "d", policy(1, HOUR));
    lethe.registerAnchored("m2", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    List<UnlearningJob> jobs = lethe.jobs();
    assertThat(jobs).hasSize(2);
    lethe.unlearned(jobs.get(0));
    assertThat(lethe.receipts()).isEmpty();

    // When
    lethe.unlearned(jobs.get(1));

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getModels()).hasSize(2));
  }

  @Test
  void aModelMayReportBeforeIntakesAcceptanceArrives() {
    // Given
    UUID id = UUID.randomUUID();
    Instant at = TopologyFixture.START;
    RequestEvent unlearned =
        RequestEvent.newBuilder()
            .setRequestId(id)
            .setKind(RequestEventKind.UNLEARNED)
            .setModelResult(new ModelResult("m", 1L, "b".repeat(64), 1, at, null))
            .setAt(at)
            .build();
    RequestEvent accepted =
        RequestEvent.newBuilder()
            .setRequestId(id)
            .setKind(RequestEventKind.ACCEPTED)
            .setModels(List.of("m"))
            .setReceivedAt(at)
            .setDueAt(at.plusSeconds(1))
            .setAt(at)
            .build();
    lethe.batchingEvents(unlearned);
    assertThat(lethe.receipts()).isEmpty();

    // When
    lethe.intakeEvent(accepted);

    // Then
    assertThat(lethe.receipts())
        .singleElement()
        .satisfies(receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED));
  }

  @Test
  void whatOneEventOfAGroupBreaksIsItsOwn() {
    // Given
    Instant at = TopologyFixture.START;
    UUID after = UUID.randomUUID();
    RequestEvent broken =
        RequestEvent.newBuilder()
            .setRequestId(UUID.randomUUID())
            .setKind(RequestEventKind.EXPIRED)
            .setAt(at)
            .build();
    RequestEvent whole =
        RequestEvent.newBuilder()
            .setRequestId(after)
            .setKind(RequestEventKind.RETIRED)
            .setModelId("m")
            .setAt(at)
            .build();

    // When
    lethe.batchingEvents(broken, whole);

    // Then
    assertThat(lethe.requestState(after)).isNotNull();
    assertThat(lethe.requestState(broken.getRequestId())).isNull();
  }

  @Test
  void anUpdateThatLacksAChunkIsNotApplied() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    List<FisherChunk> update =
        TopologyFixture.update(job, FisherUpdateKind.SUBTRACT, diagonal(1, 1f, 2f, 3f));

    // When
    lethe.fisher(update.get(update.size() - 1));
    lethe.outcome(job, Verdict.RELEASE);

    // Then
    assertThat(lethe.versions()).isEmpty();
    assertThat(lethe.sums("m").orElseThrow().retained().tensors().get(0).values())
        .containsExactly(10f, 20f, 30f);
    // The job counts as lost, is offered again and then completes.
    lethe.advance(HOUR);
    UnlearningJob again = lethe.onlyJob();
    assertThat(again.getJobId()).isEqualTo(job.getJobId());
    assertThat(again.getAttempt()).isEqualTo(2);
    lethe.unlearned(again);
    assertThat(lethe.versions()).hasSize(1);
  }

  @Test
  void aFailedJobIsOfferedAgainAfterABackoffAndThenParked() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    UUID id = lethe.request("alice");
    UnlearningJob job = lethe.onlyJob();
    lethe.outcome(job, Verdict.FAILED);
    lethe.advance(Duration.ofSeconds(4));
    assertThat(lethe.jobs()).isEmpty();
    lethe.advance(Duration.ofSeconds(1));
    UnlearningJob again = lethe.onlyJob();
    assertThat(again.getAttempt()).isEqualTo(2);

    // When
    lethe.outcome(again, Verdict.FAILED);

    // Then
    lethe.advance(HOUR.multipliedBy(2));
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    assertThat(lethe.requestState(id).getStatus()).isEqualTo(RequestStatus.IN_PROGRESS);
    assertThat(lethe.receipts()).isEmpty();
  }

  @Test
  void aModelIdKeepsItsArtifactAndTakesANewPolicy() {
    // Given
    lethe.registerAnchored("m", "d", policy(100, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    assertThat(lethe.jobs()).isEmpty();

    // When
    lethe.register("m", "d", policy(1, HOUR));
    lethe.register("m", "other", policy(1, HOUR));

    // Then
    assertThat(lethe.onlyJob().getSampleIds()).containsExactly("s1");
    assertThat(lethe.deadLetters()).isEqualTo(1);
  }

  @Test
  void whatIsTooLargeForWhatIsMadeOfItIsADeadLetterWithoutItsValue() {
    // Given: lineage that was small only while it was compressed
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    RecordHeaders headers = new RecordHeaders();
    headers.add("ce_id", "7".getBytes(StandardCharsets.UTF_8));

    // When
    lethe
        .driver
        .createInputTopic(
            lethe.topics.datasetLineage().name(),
            lethe.topics.datasetLineage().keySerde().serializer(),
            Serdes.ByteArray().serializer())
        .pipeInput(new TestRecord<>(new LineageKey("alice", "d"), new byte[20 << 20], headers));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");

    // Then
    assertThat(lethe.jobs()).hasSize(1);
    DeadLetter letter =
        lethe.deadLetterRecords().stream()
            .map(
                record ->
                    new DeadLetter(
                        new ConsumerRecord<>(
                            "letters",
                            0,
                            0,
                            0L,
                            TimestampType.CREATE_TIME,
                            0,
                            0,
                            record.key(),
                            record.value(),
                            record.headers(),
                            Optional.empty())))
            .findFirst()
            .orElseThrow();
    assertThat(letter.isLeftOut()).isTrue();
    assertThat(letter.record().value()).isNull();
    assertThat(letter.record().key()).isNotEmpty();
    assertThat(letter.topic()).contains(lethe.topics.datasetLineage().name());
    assertThat(letter.partition()).contains(0);
    assertThat(letter.offset()).contains(0L);
    assertThat(letter.stage()).contains("decoding");
    assertThat(letter.message()).contains("20971", "is larger than topic");
    assertThat(DeadLetterHeaders.text(letter.sourceHeaders(), "ce_id")).contains("7");
    assertThat(letter.sourceHeaders().lastHeader(DeadLetterHeaders.LEFT_OUT)).isNull();
  }

  @Test
  void bytesThatDoNotDecodeAreADeadLetterAndNothingStops() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");

    // When
    lethe
        .driver
        .createInputTopic(
            lethe.topics.deletionRequests().name(),
            lethe.topics.deletionRequests().keySerde().serializer(),
            org.apache.kafka.common.serialization.Serdes.ByteArray().serializer())
        .pipeInput("alice", new byte[] {1, 2, 3});
    lethe.request("alice");

    // Then
    assertThat(lethe.deadLetters()).isEqualTo(1);
    assertThat(lethe.jobs()).hasSize(1);
  }

  @Test
  void theDescribedTopologyIsTheCheckedInOne() throws Exception {
    // When
    String described =
        TopologyFixture.topology(
                new io.lethe.topics.Topics(
                    "lethe.", Map.of("schema.registry.url", "mock://topology")),
                directory)
            .describe()
            .toString();

    // Then
    if (Boolean.getBoolean("lethe.update-snapshots")) {
      Files.writeString(Path.of("src/test/resources/topology.txt"), described);
    }
    try (var expected = getClass().getResourceAsStream("/topology.txt")) {
      assertThat(described.strip())
          .as(
              "the topology changed: an upgrade hazard; -Dlethe.update-snapshots=true when it is"
                  + " meant")
          .isEqualTo(new String(expected.readAllBytes(), "UTF-8").strip());
    }
  }
}
