package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.DeletionRequest;
import io.lethe.events.JobOutcome;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.topics.Topic;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Collectors;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.test.TestRecord;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the topology's records carry besides their bodies. */
class EventHeadersTest {
  private static final Duration HOUR = Duration.ofHours(1);
  private static final String OF_ALICE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  private static final String OF_BOB = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

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
  void jobVersionAndReceiptAreCloudEvents() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");

    // When
    UUID id = request("alice", OF_ALICE);
    TestRecord<String, UnlearningJob> job = only(lethe.topics.unlearningJobs());
    lethe.unlearned(job.value());
    Headers version = only(lethe.topics.modelVersions()).headers();
    Headers receipt = only(lethe.topics.erasureReceipts()).headers();

    // Then
    assertThat(text(job.headers(), "ce_type")).isEqualTo("io.lethe.events.UnlearningJob");
    assertThat(text(job.headers(), "ce_id")).isEqualTo(job.value().getJobId() + "/1");
    assertThat(text(version, "ce_id")).isEqualTo("m@1");
    assertThat(text(version, "ce_source")).isEqualTo("/lethe/stream");
    assertThat(text(version, "ce_time")).isEqualTo(TopologyFixture.START.toString());
    assertThat(text(version, "content-type")).isEqualTo("application/avro");
    assertThat(text(receipt, "ce_id")).isEqualTo(id.toString());
    for (Headers headers : List.of(job.headers(), version, receipt)) {
      for (Header header : headers) {
        assertThat(text(headers, header.key())).doesNotContain("alice").doesNotContain("s1");
      }
    }
  }

  @Test
  void jobAndVersionHaveTheFirstRequestsTraceAndLinksToAllAndEachReceiptItsOwn() {
    // Given
    lethe.registerAnchored("m", "d", policy(3, HOUR));
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.lineage("carol", "d", "s3");
    UUID ofAlice = request("alice", OF_ALICE);
    UUID ofBob = request("bob", OF_BOB);

    // When: a request without a trace fires the batch
    UUID ofCarol = request("carol", "");
    TestRecord<String, UnlearningJob> job = only(lethe.topics.unlearningJobs());
    unlearned(job);

    // Then
    for (Headers headers : List.of(job.headers(), only(lethe.topics.modelVersions()).headers())) {
      assertThat(text(headers, "traceparent")).isEqualTo(OF_ALICE);
      assertThat(text(headers, "tracestate")).isEqualTo("vendor=1");
      assertThat(text(headers, "ce_tracelinks")).isEqualTo(OF_ALICE + "," + OF_BOB);
    }
    Map<UUID, Headers> receipts = receipts();
    assertThat(text(receipts.get(ofAlice), "traceparent")).isEqualTo(OF_ALICE);
    assertThat(text(receipts.get(ofBob), "traceparent")).isEqualTo(OF_BOB);
    assertThat(receipts.get(ofCarol).lastHeader("traceparent")).isNull();
    assertThat(receipts.values())
        .allSatisfy(headers -> assertThat(headers.lastHeader("ce_tracelinks")).isNull());
  }

  @Test
  void aBatchThatItsAgeFiresHasTheTraceOfItsRequest() {
    // Given
    lethe.registerAnchored("m", "d", policy(9, HOUR));
    lethe.lineage("alice", "d", "s1");
    request("alice", OF_ALICE);

    // When
    lethe.advance(HOUR.plusSeconds(1));

    // Then
    Headers job = only(lethe.topics.unlearningJobs()).headers();
    assertThat(text(job, "traceparent")).isEqualTo(OF_ALICE);
  }

  @Test
  void anotherOfferOfAJobHasTheSameTrace() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    request("alice", OF_ALICE);
    TestRecord<String, UnlearningJob> first = only(lethe.topics.unlearningJobs());

    // When
    lethe.advance(Duration.ofDays(1));

    // Then
    TestRecord<String, UnlearningJob> second = only(lethe.topics.unlearningJobs());
    assertThat(second.value().getAttempt()).isGreaterThan(first.value().getAttempt());
    assertThat(text(second.headers(), "traceparent")).isEqualTo(OF_ALICE);
    assertThat(text(second.headers(), "ce_tracelinks")).isEqualTo(OF_ALICE);
  }

  @Test
  void aRequestThatWaitedForItsLineageKeepsItsTrace() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    request("alice", OF_ALICE);

    // When: lineage comes, which has no trace
    lethe.lineage("alice", "d", "s1");

    // Then
    Headers job = only(lethe.topics.unlearningJobs()).headers();
    assertThat(text(job, "traceparent")).isEqualTo(OF_ALICE);
  }

  @Test
  void aDenialThatTheClockMakesHasTheTraceOfItsRequest() {
    // Given
    UUID ofAlice = request("alice", OF_ALICE);
    UUID ofBob = request("bob", OF_BOB);

    // When
    lethe.advance(TopologyFixture.GRACE.plusSeconds(1));

    // Then
    Map<UUID, Headers> receipts = receipts();
    assertThat(text(receipts.get(ofAlice), "traceparent")).isEqualTo(OF_ALICE);
    assertThat(text(receipts.get(ofBob), "traceparent")).isEqualTo(OF_BOB);
  }

  @Test
  void aWarningHasTheTraceOfItsRequest() {
    // Given
    lethe.registerAnchored("m", "d", policy(1, HOUR));
    lethe.lineage("alice", "d", "s1");
    request("alice", OF_ALICE);

    // When
    lethe.advance(Duration.ofDays(40));

    // Then
    assertThat(records(lethe.topics.requestSignals()))
        .isNotEmpty()
        .allSatisfy(
            signal -> assertThat(text(signal.headers(), "traceparent")).isEqualTo(OF_ALICE));
  }

  private Map<UUID, Headers> receipts() {
    return records(lethe.topics.erasureReceipts()).stream()
        .collect(Collectors.toMap(record -> record.value().getRequestId(), TestRecord::headers));
  }

  private UUID request(String subject, String traceparent) {
    UUID id = UUID.nameUUIDFromBytes(subject.getBytes(StandardCharsets.UTF_8));
    DeletionRequest request =
        DeletionRequest.newBuilder()
            .setRequestId(id)
            .setSelector(
                Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId(subject).build())
            .setReceivedAt(TopologyFixture.START)
            .build();
    Headers headers = new RecordHeaders();
    if (!traceparent.isEmpty()) {
      headers
          .add("traceparent", traceparent.getBytes(StandardCharsets.US_ASCII))
          .add("tracestate", "vendor=1".getBytes(StandardCharsets.US_ASCII));
    }
    pipe(lethe.topics.deletionRequests(), subject, request, headers);
    return id;
  }

  /** Plays an UNLEARN job as a worker does, which hands on the trace of its job. */
  private void unlearned(TestRecord<String, UnlearningJob> job) {
    lethe.subtract(job.value(), diagonal(job.value().getSampleIds().size(), 1f, 2f, 3f));
    JobOutcome outcome = lethe.outcomeOf(job.value(), Verdict.RELEASE);
    pipe(lethe.topics.jobOutcomes(), job.value().getModelId(), outcome, job.headers());
  }

  private <K, V> void pipe(Topic<K, V> topic, K key, V value, Headers headers) {
    lethe
        .driver
        .createInputTopic(
            topic.name(), topic.keySerde().serializer(), topic.valueSerde().serializer())
        .pipeInput(new TestRecord<>(key, value, new RecordHeaders(headers), (Instant) null));
  }

  private <K, V> TestRecord<K, V> only(Topic<K, V> topic) {
    List<TestRecord<K, V>> records = records(topic);
    assertThat(records).hasSize(1);
    return records.get(0);
  }

  private <K, V> List<TestRecord<K, V>> records(Topic<K, V> topic) {
    return lethe
        .driver
        .createOutputTopic(
            topic.name(), topic.keySerde().deserializer(), topic.valueSerde().deserializer())
        .readRecordsToList();
  }

  private static String text(Headers headers, String name) {
    return new String(headers.lastHeader(name).value(), StandardCharsets.UTF_8);
  }
}
