package io.lethe.topics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.DeletionRequest;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class CloudEventSerdeTest {
  private static final Instant NOON = Instant.parse("2026-01-31T12:00:00.000001Z");
  private static final UUID ID = UUID.fromString("0b2c7b5a-6a3e-4c39-9f0e-3b1f3f8f1a11");

  private final Topics topics =
      new Topics("t.", Map.of("schema.registry.url", "mock://user:secret@cloud-events"));

  private static <V> Map<String, String> headers(Topic<?, V> topic, V value) {
    Headers headers = new RecordHeaders();
    topic.valueSerde().serializer().serialize(topic.name(), headers, value);
    Map<String, String> text = new TreeMap<>();
    headers.forEach(
        header -> text.put(header.key(), new String(header.value(), StandardCharsets.UTF_8)));
    return text;
  }

  private static DeletionRequest request() {
    return DeletionRequest.newBuilder()
        .setRequestId(ID)
        .setSelector(
            Selector.newBuilder()
                .setKind(SelectorKind.SAMPLES)
                .setSubjectId("the-person")
                .setDatasetId("d")
                .setSampleIds(List.of("the-sample"))
                .build())
        .setReceivedAt(NOON)
        .build();
  }

  private static UnlearningJob job() {
    return UnlearningJob.newBuilder()
        .setJobId(ID)
        .setKind(JobKind.UNLEARN)
        .setModelId("m")
        .setAttempt(2)
        .setAnchorId("a")
        .setFormat(ModelFormat.DJL)
        .setAnchorUri("file:/a")
        .setAnchorSha256("0")
        .setDatasetUri("synthetic:digits")
        .setSampleIds(List.of("the-sample"))
        .setPolicy(
            UnlearningPolicy.newBuilder()
                .setDeepclean(DeepCleanParameters.newBuilder().build())
                .setGate(GateThresholds.newBuilder().build())
                .build())
        .setCreatedAt(NOON)
        .build();
  }

  @Test
  void aRequestIsACloudEventInBinaryMode() {
    // When
    Map<String, String> headers = headers(topics.deletionRequests(), request());

    // Then
    assertThat(headers)
        .containsOnlyKeys(
            "content-type",
            "ce_specversion",
            "ce_id",
            "ce_source",
            "ce_type",
            "ce_subject",
            "ce_time",
            "ce_dataschema")
        .containsEntry("content-type", "application/avro")
        .containsEntry("ce_specversion", "1.0")
        .containsEntry("ce_id", ID.toString())
        .containsEntry("ce_source", "/lethe/requests")
        .containsEntry("ce_type", "io.lethe.events.DeletionRequest")
        .containsEntry("ce_subject", ID.toString())
        .containsEntry("ce_time", "2026-01-31T12:00:00.000001Z");
    assertThat(headers.get("ce_dataschema")).matches("mock://cloud-events/schemas/ids/\\d+");
  }

  @Test
  void neitherASubjectNorASampleNorTheRegistrysPasswordIsInAHeader() {
    // When
    Stream<Map<String, String>> all =
        Stream.of(
            headers(topics.deletionRequests(), request()),
            headers(topics.unlearningJobs(), job()),
            headers(
                topics.datasetLineage(),
                new DatasetLineage("the-person", "d", List.of("the-sample"), NOON)));

    // Then
    assertThat(all)
        .allSatisfy(
            headers ->
                assertThat(headers.values())
                    .noneMatch(value -> value.contains("the-person"))
                    .noneMatch(value -> value.contains("the-sample"))
                    .noneMatch(value -> value.contains("secret")));
  }

  @Test
  void theSameEventHasTheSameIdAndAnotherAttemptAnother() {
    // When
    String once = headers(topics.unlearningJobs(), job()).get("ce_id");
    String again = headers(topics.unlearningJobs(), job()).get("ce_id");
    String next =
        headers(topics.unlearningJobs(), UnlearningJob.newBuilder(job()).setAttempt(3).build())
            .get("ce_id");

    // Then
    assertThat(once).isEqualTo(again).isEqualTo(ID + "/2");
    assertThat(next).isEqualTo(ID + "/3");
  }

  @Test
  void anOutcomesSourceIsItsWorkerAsAUriReference() {
    // When
    Map<String, String> headers =
        headers(
            topics.jobOutcomes(),
            JobOutcome.newBuilder()
                .setJobId(ID)
                .setKind(JobKind.UNLEARN)
                .setModelId("m")
                .setAttempt(1)
                .setVerdict(Verdict.FAILED)
                .setWorker("gpu 1/ü")
                .setFinishedAt(NOON)
                .build());

    // Then
    assertThat(headers)
        .containsEntry("ce_source", "/lethe/worker/gpu%201%2F%C3%BC")
        .containsEntry("ce_id", ID + "/1/outcome")
        .containsEntry("ce_subject", "m");
  }

  @Test
  void theRecordsOfAFisherUpdateAreToldApart() {
    // Given
    FisherChunk.Builder chunk =
        FisherChunk.newBuilder()
            .setJobId(ID)
            .setModelId("m")
            .setAnchorId("a")
            .setKind(FisherUpdateKind.SUBTRACT)
            .setTensor("weight")
            .setChunk(1)
            .setData(ByteBuffer.allocate(0))
            .setCrc32c(0);

    // When
    Map<String, String> data = headers(topics.fisherUpdates(), chunk.build());
    Map<String, String> commit =
        headers(
            topics.fisherUpdates(),
            chunk.setTensor("").setChunk(0).setCommit(new FisherCommit(List.of(), 1, 1L)).build());

    // Then
    assertThat(data).containsEntry("ce_id", ID + "/weight/1").doesNotContainKey("ce_time");
    assertThat(commit).containsEntry("ce_id", ID + "/commit");
  }

  @Test
  void aTombstoneIsNoEvent() {
    assertThat(headers(topics.datasetLineage(), null)).isEmpty();
  }

  @Test
  void headersOfAnotherEventAreReplaced() {
    // Given
    Headers headers = new RecordHeaders();
    headers.add("ce_id", new byte[] {'x'}).add("mine", new byte[] {'y'});

    // When
    topics.deletionRequests().valueSerde().serializer().serialize("t", headers, request());

    // Then
    assertThat(headers.headers("ce_id")).hasSize(1);
    assertThat(new String(headers.lastHeader("ce_id").value(), StandardCharsets.UTF_8))
        .isEqualTo(ID.toString());
    assertThat(headers.lastHeader("mine").value()).containsExactly('y');
  }

  @Test
  void everyTopicOfEventsWritesHeaders() {
    Set<Class<?>> written = new HashSet<>();
    for (Topic<?, ?> topic : topics.all()) {
      // Feedback goes from the topology to itself.
      if (topic != topics.deadLetters() && topic != topics.requestFeedback()) {
        assertThat(topic.valueSerde()).as(topic.name()).isInstanceOf(CloudEventSerde.class);
        written.add(((CloudEventSerde<?>) topic.valueSerde()).type());
      }
    }
    assertThat(written).isEqualTo(CloudEvent.types());
  }

  @Test
  void aTypeWithoutAttributesIsRefused() {
    assertThatThrownBy(
            () -> CloudEventSerde.of(LineageKey.class, Map.of("schema.registry.url", "mock://x")))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage(
            "io.lethe.events.LineageKey has no CloudEvents attributes: give it some in CloudEvent");
  }
}
