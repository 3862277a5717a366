package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.DeepCleanParameters;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherEncoding;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.heldout.HeldOutRows;
import io.lethe.topics.EventProducer;
import io.lethe.topics.Topics;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

class JobReporterTest {
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

  private final Topics topics = new Topics("t.", Map.of("schema.registry.url", "mock://reporter"));
  private final MockProducer<byte[], byte[]> sent =
      new MockProducer<>(
          cluster(), true, null, new ByteArraySerializer(), new ByteArraySerializer());

  private Cluster cluster() {
    Node node = new Node(1, "unused", 1);
    List<PartitionInfo> partitions =
        topics.all().stream()
            .map(
                topic ->
                    new PartitionInfo(topic.name(), 0, node, new Node[] {node}, new Node[] {node}))
            .toList();
    return new Cluster("c", List.of(node), partitions, java.util.Set.of(), java.util.Set.of());
  }

  /** A worker that dies in between must not leave sums that its job cannot be run on again. */
  @Test
  void theOutcomeGoesAheadOfTheUpdateAndTheCommitMarkerIsLast() {
    // Given
    JobReporter reporter = reporter(sent);
    FisherDiagonal sums =
        new FisherDiagonal(
            List.of(new FisherDiagonal.Tensor("w", List.of(300_000L), new float[300_000])), 7);

    // When
    reporter.result(
        job(),
        new JobResult(
            outcome(),
            Optional.of(new JobResult.Update(FisherUpdateKind.SUBTRACT, sums)),
            Optional.empty()));

    // Then
    List<ProducerRecord<byte[], byte[]>> records = sent.history();
    assertThat(records.get(0).topic()).isEqualTo(topics.jobOutcomes().name());
    List<FisherChunk> chunks =
        records.subList(1, records.size()).stream()
            .map(
                record ->
                    topics
                        .fisherUpdates()
                        .valueSerde()
                        .deserializer()
                        .deserialize(record.topic(), record.value()))
            .toList();
    assertThat(chunks).hasSize(4);
    assertThat(chunks.subList(0, 3)).allMatch(chunk -> chunk.getCommit().isEmpty());
    assertThat(chunks.get(3).getCommit().orElseThrow().getChunks()).isEqualTo(3);
    assertThat(chunks.get(3).getCommit().orElseThrow().getSamples()).isEqualTo(7);
  }

  @Test
  void whatAJobKeptGoesWhenTheBrokerHasItsResultAndNotBefore() {
    // Given
    MockProducer<byte[], byte[]> broken =
        new MockProducer<>(
            cluster(), true, null, new ByteArraySerializer(), new ByteArraySerializer()) {
          @Override
          public synchronized Future<RecordMetadata> send(
              ProducerRecord<byte[], byte[]> record, Callback callback) {
            if (record.topic().equals(topics.heldoutTargets().name())) {
              callback.onCompletion(null, new TimeoutException("the broker is away"));
              return CompletableFuture.failedFuture(new TimeoutException("the broker is away"));
            }
            return super.send(record, callback);
          }
        };
    AtomicInteger deleted = new AtomicInteger();
    JobResult result =
        new JobResult(
            outcome(),
            Optional.empty(),
            Optional.of(new HeldOutRows(2, List.of("s"), new float[2])),
            deleted::incrementAndGet);

    // When
    assertThatThrownBy(() -> reporter(broken).result(job(), result))
        .hasRootCauseInstanceOf(TimeoutException.class);
    int before = deleted.get();
    reporter(sent).result(job(), result);

    // Then
    assertThat(before).isZero();
    assertThat(deleted).hasValue(1);
  }

  private JobReporter reporter(MockProducer<byte[], byte[]> producer) {
    return new JobReporter(
        new EventProducer(producer),
        topics,
        "w",
        Clock.fixed(NOW, ZoneOffset.UTC),
        FisherEncoding.FLOAT32);
  }

  private static JobOutcome outcome() {
    return JobOutcome.newBuilder()
        .setJobId(new UUID(1, 1))
        .setKind(JobKind.UNLEARN)
        .setModelId("m")
        .setAttempt(1)
        .setVerdict(Verdict.RELEASE)
        .setWorker("w")
        .setFinishedAt(NOW)
        .build();
  }

  private static UnlearningJob job() {
    return UnlearningJob.newBuilder()
        .setJobId(new UUID(1, 1))
        .setKind(JobKind.UNLEARN)
        .setModelId("m")
        .setAttempt(1)
        .setAnchorId("a")
        .setFormat(ModelFormat.DJL)
        .setAnchorUri("file:/m")
        .setAnchorSha256("a")
        .setDatasetUri("synthetic:digits")
        .setPolicy(
            UnlearningPolicy.newBuilder()
                .setDeepclean(DeepCleanParameters.newBuilder().setQuantile(0.1).build())
                .setGate(GateThresholds.newBuilder().build())
                .build())
        .setCreatedAt(NOW)
        .build();
  }
}
