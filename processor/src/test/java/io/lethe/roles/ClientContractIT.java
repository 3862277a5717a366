package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lethe.artifact.Sha256;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelVersion;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.privacy.PseudonymKey;
import io.lethe.state.Phase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import io.lethe.topics.TraceContext;
import io.lethe.topology.StreamApp;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The contract as clients see it that have no class of ours. */
class ClientContractIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final Path EXAMPLE = Path.of("../deploy/examples/ServeModelVersions.java");
  private static final String PYTHON = System.getProperty("lethe.python", "python3");
  private static final Path PYTHON_EXAMPLES = Path.of("../deploy/examples");
  private static final TraceContext TRACE =
      new TraceContext(
          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "vendor=1", List.of());

  @TempDir static Path directory;
  private static EmbeddedStack stack;
  private static KafkaSettings kafka;
  private static Topics topics;
  private static EventProducer producer;
  private static SmallCase small;

  @BeforeAll
  static void start() {
    stack =
        EmbeddedStack.start(
            new EmbeddedStack.Place(
                directory.resolve("data"),
                0,
                0,
                0,
                Map.of(
                    "lethe.stream.commit-interval", "25ms",
                    "lethe.batching.tick", "200ms")));
    kafka = stack.context().getBean(KafkaSettings.class);
    topics = stack.context().getBean(Topics.class);
    producer = new EventProducer(kafka);
    small = new SmallCase(producer, topics);
    small.publishLineage();
  }

  @AfterAll
  static void stop() {
    producer.close();
    stack.close();
  }

  @Test
  void aRequestsTraceReachesItsReceiptThroughTheWorkerAndEveryRecordIsACloudEvent() {
    // Given
    String subject = small.subjects().get(0);
    small.register("traced", small.train(directory, 1), SmallCase.policy(1, 1));
    await().atMost(PATIENCE).until(() -> isCollecting("traced")); // so that the request fires

    // When
    request(subject, "traced");

    // Then
    await().atMost(PATIENCE).until(() -> !of("traced", topics.modelVersions()).isEmpty());
    ConsumerRecord<byte[], byte[]> version = of("traced", topics.modelVersions()).get(0);
    assertThat(header(version, "traceparent")).isEqualTo(TRACE.parent());
    assertThat(header(version, "tracestate")).isEqualTo(TRACE.state());
    assertThat(header(version, "ce_id")).isEqualTo("traced@1");
    assertThat(header(version, "ce_type")).isEqualTo("io.lethe.events.ModelVersion");
    assertThat(header(version, "ce_dataschema")).startsWith(stack.registryUrl() + "/schemas/ids/");
    for (Topic<?, ?> topic : topics.all()) {
      for (ConsumerRecord<byte[], byte[]> record : read(topic)) {
        assertThat(header(record, "ce_specversion")).as(topic.name()).isEqualTo("1.0");
        record
            .headers()
            .forEach(
                header ->
                    assertThat(header(record, header.key())).doesNotContain(small.subjects()));
      }
    }
    List<ConsumerRecord<byte[], byte[]>> receipts = read(topics.erasureReceipts());
    assertThat(receipts).isNotEmpty();
    assertThat(header(receipts.get(0), "traceparent")).isEqualTo(TRACE.parent());
  }

  @Test
  void theJavaExampleServesWhatIsAttestedAndNothingElse() throws Exception {
    // Given
    Path models = directory.resolve("models-served");
    Path log = directory.resolve("example.log");
    small.register("served", small.train(directory, 2), SmallCase.policy(1, 1));
    Process example = startExample(models, log);
    try {
      // When
      request(small.subjects().get(1), "served");

      // Then
      await().atMost(PATIENCE).until(() -> text(log).contains("serving served@1 from"));
      ModelVersion first = value(of("served", topics.modelVersions()).get(0));
      Path model = models.resolve("served.params");
      assertThat(Sha256.of(Files.readAllBytes(model))).isEqualTo(first.getArtifactSha256());

      byte[] genuine = Files.readAllBytes(model);

      // When: somebody publishes under a key that is not the signer's, and under an old signature
      publish(ModelVersion.newBuilder(first).setVersion(8).setAttestation("{}").build());
      publish(ModelVersion.newBuilder(first).setVersion(9).setArtifactUri("file:/etc/x").build());

      // Then
      await().atMost(PATIENCE).until(() -> text(log).contains("refused served: not signed by"));
      assertThat(Files.readAllBytes(model)).isEqualTo(genuine);

      // When
      request(small.subjects().get(2), "served");

      // Then
      await().atMost(PATIENCE).until(() -> text(log).contains("serving served@2 from"));
      assertThat(text(log)).doesNotContain("@8").doesNotContain("@9");
      assertThat(Files.readAllBytes(model)).isNotEqualTo(genuine);
      assertThat(example.isAlive()).isTrue();
    } finally {
      example.destroy();
    }
  }

  /** With the clients that {@code lethe.python} (default: python3) has: librdkafka, Apache Avro. */
  @Test
  void thePythonExamplesAskForAnErasureAndServeItsVersion() throws Exception {
    // Given
    Path requestLog = directory.resolve("request.log");
    assumeTrue(
        run(requestLog, "-c", "import confluent_kafka, avro, cryptography").waitFor() == 0,
        () -> PYTHON + " lacks confluent-kafka, avro or cryptography");
    Path models = directory.resolve("models-of-python");
    Path log = directory.resolve("python.log");
    Path pseudonymKey = directory.resolve("data/keys/example-pseudonym.key");
    String subject = PseudonymKey.loadOrCreate(pseudonymKey).pseudonym("dora@example.org");
    producer
        .send(
            topics.datasetLineage(),
            new LineageKey(subject, SmallCase.DATASET_ID),
            new DatasetLineage(
                subject,
                SmallCase.DATASET_ID,
                small.samplesOf(small.subjects().get(4)),
                Clock.systemUTC().instant()))
        .join();
    small.register("python", small.train(directory, 3), SmallCase.policy(1, 1));
    Process server =
        run(
            log,
            PYTHON_EXAMPLES.resolve("serve_model_versions.py").toString(),
            "--bootstrap-server",
            stack.bootstrapServers(),
            "--schema-registry",
            stack.registryUrl(),
            "--key",
            directory.resolve("data/keys/signing.pub.pem").toString(),
            "--models",
            models.toString());
    try {
      // When
      Process request =
          run(
              requestLog,
              PYTHON_EXAMPLES.resolve("request_deletion.py").toString(),
              "--bootstrap-server",
              stack.bootstrapServers(),
              "--schema-registry",
              stack.registryUrl(),
              "--pseudonym-key",
              pseudonymKey.toString(),
              "--model",
              "python",
              "dora@example.org");

      // Then
      assertThat(request.waitFor()).as(text(requestLog)).isZero();
      String requestId = text(requestLog).strip();
      await().atMost(PATIENCE).until(() -> text(log).contains("serving python@1 from"));
      ModelVersion version = value(of("python", topics.modelVersions()).get(0));
      assertThat(Sha256.of(Files.readAllBytes(models.resolve("python.params"))))
          .isEqualTo(version.getArtifactSha256());
      await().atMost(PATIENCE).until(() -> !of(requestId, topics.erasureReceipts()).isEmpty());

      // When
      publish(ModelVersion.newBuilder(version).setVersion(8).setAttestation("{}").build());

      // Then
      await().atMost(PATIENCE).until(() -> text(log).contains("refused python: "));
      assertThat(server.isAlive()).isTrue();
    } finally {
      server.destroy();
    }
  }

  private static Process run(Path log, String... arguments) throws IOException {
    List<String> command = new ArrayList<>(List.of(PYTHON));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }

  /** By Java's source launcher, as the README tells people to, on the classpath of this test. */
  private static Process startExample(Path models, Path log) throws IOException {
    String classpath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx128m",
            "-cp",
            classpath,
            EXAMPLE.toString(),
            stack.bootstrapServers(),
            stack.registryUrl(),
            directory.resolve("data/keys/signing.pub.pem").toString(),
            models.toString())
        .redirectErrorStream(true)
        .redirectOutput(log.toFile())
        .start();
  }

  private static void request(String subject, String modelId) {
    producer
        .send(
            topics.deletionRequests(),
            subject,
            DeletionRequest.newBuilder()
                .setRequestId(UUID.randomUUID())
                .setSelector(
                    Selector.newBuilder()
                        .setKind(SelectorKind.SUBJECT)
                        .setSubjectId(subject)
                        .build())
                .setModels(List.of(modelId))
                .setReceivedAt(Clock.systemUTC().instant())
                .build(),
            TRACE)
        .join();
  }

  private static boolean isCollecting(String modelId) {
    try {
      return stack
          .context()
          .getBean(StreamApp.class)
          .model(modelId)
          .filter(state -> state.getPhase() == Phase.COLLECTING)
          .isPresent();
    } catch (InvalidStateStoreException e) {
      return false; // still starting
    }
  }

  private static void publish(ModelVersion version) {
    producer.send(topics.modelVersions(), version.getModelId(), version).join();
  }

  private static ModelVersion value(ConsumerRecord<byte[], byte[]> record) {
    return topics
        .modelVersions()
        .valueSerde()
        .deserializer()
        .deserialize(record.topic(), record.value());
  }

  private static List<ConsumerRecord<byte[], byte[]>> of(String key, Topic<?, ?> topic) {
    return read(topic).stream()
        .filter(record -> new String(record.key(), StandardCharsets.UTF_8).equals(key))
        .toList();
  }

  private static List<ConsumerRecord<byte[], byte[]>> read(Topic<?, ?> topic) {
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(
            kafka.consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic.name()).stream()
              .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
      while (ends.entrySet().stream()
          .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
        consumer.poll(Duration.ofMillis(100)).forEach(records::add);
      }
      return records;
    }
  }

  private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
    return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
  }

  private static String text(Path file) throws IOException {
    return Files.exists(file) ? Files.readString(file) : "";
  }
}
