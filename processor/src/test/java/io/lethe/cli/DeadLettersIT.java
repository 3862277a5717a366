package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.artifact.Artifact;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.LineageKey;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.roles.EmbeddedStack;
import io.lethe.roles.SmallCase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/**
 * Dead letters of a real stack, listed and replayed by the commands; and requests across
 * partitions.
 */
class DeadLettersIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String SECRET = "very-secret-subject";

  /** A model and its dataset that only one test knows. */
  private static final String APART = "apart";

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
                    "lethe.batching.tick", "200ms",
                    "lethe.tracking.tick", "200ms",
                    "lethe.tracking.command-patience", "1s",
                    "kafka.missing.id.cache.ttl.sec", "0")));
    kafka = stack.context().getBean(KafkaSettings.class);
    topics = stack.context().getBean(Topics.class);
    producer = new EventProducer(kafka);
    small = new SmallCase(producer, topics);
    small.publishLineage();
    small.register("m", small.train(directory, 1), SmallCase.policy(1, 1));
    StreamApp app = stack.context().getBean(StreamApp.class);
    await().atMost(PATIENCE).until(app::isReady);
  }

  @AfterAll
  static void stop() {
    producer.close();
    stack.close();
  }

  private record Answer(int code, String said) {}

  private static Answer run(String... arguments) {
    List<String> all = new ArrayList<>(List.of("dead-letters"));
    all.addAll(List.of(arguments));
    all.addAll(
        List.of(
            "--bootstrap-server",
            stack.bootstrapServers(),
            "--schema-registry",
            stack.registryUrl()));
    StringWriter out = new StringWriter();
    CommandLine command =
        Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(out, true));
    int code = command.execute(all.toArray(String[]::new));
    return new Answer(code, out.toString());
  }

  private static DeletionRequest.Builder request(UUID id, String subject) {
    return DeletionRequest.newBuilder()
        .setRequestId(id)
        .setSelector(
            Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId(subject).build())
        .setReceivedAt(Clock.systemUTC().instant());
  }

  private static void send(String key, DeletionRequest request) {
    producer.send(topics.deletionRequests(), key, request).join();
  }

  private static List<ErasureReceipt> receipts() {
    Map<UUID, ErasureReceipt> found = new HashMap<>();
    try (TopicReader<String, ErasureReceipt> reader =
        new TopicReader<>(kafka, topics.erasureReceipts())) {
      List<TopicReader.Event<String, ErasureReceipt>> polled;
      while (!(polled = reader.poll(Duration.ofMillis(500))).isEmpty()) {
        polled.forEach(event -> found.put(event.value().getRequestId(), event.value()));
      }
    }
    return List.copyOf(found.values());
  }

  private static ErasureReceipt receipt(UUID id) {
    return await()
        .atMost(PATIENCE)
        .until(
            () ->
                receipts().stream()
                    .filter(receipt -> receipt.getRequestId().equals(id))
                    .findFirst()
                    .orElse(null),
            receipt -> receipt != null);
  }

  private static void awaitLetters(int count, String... filters) {
    List<String> arguments = new ArrayList<>(List.of("list"));
    arguments.addAll(List.of(filters));
    await()
        .atMost(PATIENCE)
        .until(
            () -> run(arguments.toArray(String[]::new)).said(),
            said -> said.lines().anyMatch(line -> line.startsWith(count + " dead letters")));
  }

  @Test
  void aRecordWhoseSchemaWasMissingReachesItsReceiptByAReplay() throws Exception {
    // Given: a request in a schema that nobody has registered
    UUID id = UUID.randomUUID();
    String subject = small.subjects().get(3);
    RecordHeaders headers = new RecordHeaders();
    byte[] value =
        topics
            .deletionRequests()
            .valueSerde()
            .serializer()
            .serialize(topics.deletionRequests().name(), headers, request(id, subject).build());
    int schemaId = 1;
    while (registry("GET", "/schemas/ids/" + schemaId, null).statusCode() == 200) {
      schemaId++;
    }
    schemaId += 20; // others are registered meanwhile
    ByteBuffer.wrap(value).putInt(1, schemaId);
    try (KafkaProducer<byte[], byte[]> raw =
        new KafkaProducer<>(
            kafka.producer(), new ByteArraySerializer(), new ByteArraySerializer())) {
      raw.send(
              new ProducerRecord<>(
                  topics.deletionRequests().name(),
                  topics.deletionRequests().partition(subject, 4),
                  subject.getBytes(StandardCharsets.UTF_8),
                  value))
          .get();
    }
    awaitLetters(1, "--cause", "Serialization", "--topic", "deletion-requests");
    Answer listed = run("list", "--cause", "serialization");
    assertThat(listed.code()).isZero();
    assertThat(listed.said())
        .contains("lethe.deletion-requests-", "in decoding:")
        .doesNotContain(subject);
    Answer dry = run("replay", "--cause", "serialization", "--dry-run");
    assertThat(dry.said()).contains("would replay 1 dead letters; 0 replayed before");

    // When: the schema is registered, and the letter replayed, twice
    register(schemaId);
    Answer first = run("replay", "--cause", "serialization");
    Answer second = run("replay", "--cause", "serialization");

    // Then
    assertThat(first.code()).isZero();
    assertThat(first.said()).contains("replayed 1 dead letters; 0 replayed before");
    assertThat(second.said()).contains("replayed 0 dead letters; 1 replayed before");
    ErasureReceipt receipt = receipt(id);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(receipt.getModels()).hasSize(1);
    assertThat(run("list", "--cause", "serialization").said())
        .contains("[replayed]", "1 dead letters");
    assertThat(run("replay", "--cause", "serialization", "--again", "--dry-run").said())
        .contains("would replay 1 dead letters");
  }

  /** Registers schemas until one has the id. */
  private static void register(int schemaId) throws Exception {
    String schema = DeletionRequest.getClassSchema().toString();
    for (int i = 0; ; i++) {
      String variant = schema.replaceFirst("\\{", "{\"aliases\":[\"Variant" + i + "\"],");
      String body =
          new com.fasterxml.jackson.databind.ObjectMapper()
              .createObjectNode()
              .put("schema", variant)
              .toString();
      HttpResponse<String> answer = registry("POST", "/subjects/variants" + i + "/versions", body);
      assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
      if (registry("GET", "/schemas/ids/" + schemaId, null).statusCode() == 200) {
        return;
      }
    }
  }

  private static HttpResponse<String> registry(String method, String path, String body)
      throws Exception {
    HttpRequest.Builder request =
        HttpRequest.newBuilder(URI.create(stack.registryUrl() + path))
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .method(
                method,
                body == null
                    ? HttpRequest.BodyPublishers.noBody()
                    : HttpRequest.BodyPublishers.ofString(body));
    return HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
  }

  @Test
  void aCommandWithoutItsRequestReachesItByAReplay() throws Exception {
    // Given: a rule that is broken
    UUID id = UUID.randomUUID();
    send(
        id.toString(),
        request(id, SECRET).setCommand(RequestCommand.CANCEL).setReason("secret reason").build());
    awaitLetters(1, "--cause", "UnknownRequest");
    Answer listed = run("list", "--cause", "unknownrequest");
    assertThat(listed.said())
        .contains("UnknownRequestException", "a command names a request that is not known")
        .doesNotContain(SECRET, "secret reason", id.toString());

    // When: the request arrives, waits for lineage, and the command is replayed
    send(SECRET, request(id, SECRET).build());
    await().atMost(PATIENCE).until(() -> status(id).statusCode() == 200);
    assertThat(status(id).body()).contains("\"status\":\"PENDING\"");
    Answer replayed = run("replay", "--cause", "UnknownRequest");

    // Then
    assertThat(replayed.said()).contains("replayed 1 dead letters");
    assertThat(receipt(id).getStatus()).isEqualTo(RequestStatus.CANCELLED);
  }

  private static HttpResponse<String> status(UUID id) throws Exception {
    return get("/v1/requests/" + id);
  }

  private static HttpResponse<String> get(String path) throws Exception {
    URI uri = stack.api().resolve(path);
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
  }

  @Test
  void lineageThatIsLargeUncompressedIsALetterWithoutItAndWhatFollowsIsProcessed()
      throws Exception {
    // Given
    Set<Thread> threads = streamThreads();
    assertThat(threads).isNotEmpty();
    LineageKey key = new LineageKey("large", SmallCase.DATASET_ID);
    DatasetLineage large =
        new DatasetLineage(
            "large",
            SmallCase.DATASET_ID,
            Collections.nCopies(20, SECRET + "s".repeat(1 << 20)),
            Clock.systemUTC().instant());
    int partition = topics.datasetLineage().partition(key, 4);
    Map<String, Object> config = new HashMap<>(kafka.producer());
    config.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, 32 << 20);
    RecordMetadata sent;
    try (KafkaProducer<byte[], byte[]> raw =
        new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer())) {
      RecordHeaders headers = new RecordHeaders();
      String topic = topics.datasetLineage().name();
      byte[] keyBytes = topics.datasetLineage().keySerde().serializer().serialize(topic, key);
      byte[] value =
          topics.datasetLineage().valueSerde().serializer().serialize(topic, headers, large);
      sent = raw.send(new ProducerRecord<>(topic, partition, null, keyBytes, value, headers)).get();
    }

    // When: the same subject again, as it should be
    DatasetLineage usual =
        new DatasetLineage(
            "large",
            SmallCase.DATASET_ID,
            small.samplesOf(small.subjects().get(9)),
            Clock.systemUTC().instant());
    producer.send(topics.datasetLineage(), key, usual).join();
    UUID id = UUID.randomUUID();
    send("large", request(id, "large").build());

    // Then
    assertThat(receipt(id).getStatus()).isEqualTo(RequestStatus.COMPLETED);
    awaitLetters(1, "--cause", "Oversize");
    Answer listed = run("list", "--cause", "oversize");
    assertThat(listed.said())
        .contains(
            "too large to be kept here; it lies at lethe.dataset-lineage-%d@%d"
                .formatted(partition, sent.offset()))
        .doesNotContain(SECRET);
    Answer replayed = run("replay", "--cause", "oversize");
    assertThat(replayed.code()).isEqualTo(1);
    assertThat(replayed.said())
        .contains("replayed 0 dead letters", "1 dead letters cannot be sent back");
    assertThat(streamThreads()).as("none was replaced").isEqualTo(threads);
  }

  private static Set<Thread> streamThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().matches("lethe.*-StreamThread-\\d+"))
        .collect(Collectors.toSet());
  }

  @Test
  void filtersSayWhichLettersAreMeant() {
    // Given: two letters of a cause of their own
    for (int i = 0; i < 2; i++) {
      send(SECRET, request(UUID.randomUUID(), SECRET).setCommand(RequestCommand.UNKNOWN).build());
    }
    awaitLetters(2, "--cause", "InvalidRequest");

    // When
    List<String> positions =
        run("list", "--cause", "InvalidRequest", "--topic", "deletion-requests")
            .said()
            .lines()
            .filter(line -> !line.endsWith("dead letters"))
            .map(line -> line.split(" ", 2)[0])
            .toList();
    Answer future = run("list", "--since", "2999-01-01T00:00:00Z");
    Answer past = run("list", "--cause", "InvalidRequest", "--since", "2020-01-01T00:00:00Z");
    Answer elsewhere = run("list", "--cause", "InvalidRequest", "--topic", "fisher-updates");
    Answer one = run("list", "--letter", positions.get(1));
    Answer unusable = run("list", "--since", "yesterday");

    // Then
    assertThat(positions).hasSize(2).doesNotHaveDuplicates();
    assertThat(future.said()).isEqualTo("0 dead letters\n");
    assertThat(past.said()).endsWith("\n2 dead letters\n");
    assertThat(elsewhere.said()).isEqualTo("0 dead letters\n");
    assertThat(one.said()).startsWith(positions.get(1) + " ").endsWith("\n1 dead letters\n");
    assertThat(unusable.code()).isEqualTo(2);
  }

  @Test
  void oneIdForTwoSubjectsOnDifferentPartitionsErasesOneAndDeniesTheOther() throws Exception {
    // Given: two people of a dataset, unlike in the number of their samples, and a model of it that
    // begins with nothing
    String one = "apart-0";
    String other =
        IntStream.iterate(1, number -> number + 1)
            .mapToObj(number -> "apart-" + number)
            .filter(
                subject ->
                    topics.deletionRequests().partition(subject, 4)
                        != topics.deletionRequests().partition(one, 4))
            .findFirst()
            .orElseThrow();
    lineage(one, small.samplesOf(small.subjects().get(5)).subList(0, 3));
    lineage(other, small.samplesOf(small.subjects().get(6)).subList(0, 5));
    Artifact artifact = small.train(directory, 2);
    small.register(APART, artifact, SmallCase.policy(9, 1), null, APART);
    await().atMost(PATIENCE).until(() -> get("/v1/models/" + APART).statusCode() == 200);
    UUID id = UUID.randomUUID();

    // When: both at once, and again
    DeletionRequest first = request(id, one).build();
    DeletionRequest second = request(id, other).build();
    for (int i = 0; i < 2; i++) {
      CompletableFuture.allOf(
              producer.send(topics.deletionRequests(), one, first),
              producer.send(topics.deletionRequests(), other, second))
          .join();
    }

    // Then: one is denied before anything was done for it
    List<ErasureReceipt> denials =
        await()
            .atMost(PATIENCE)
            .until(
                () ->
                    receipts().stream()
                        .filter(denied -> denied.getSentAs().filter(id::equals).isPresent())
                        .toList(),
                found -> !found.isEmpty());
    assertThat(denials)
        .singleElement()
        .satisfies(
            denied -> {
              assertThat(denied.getStatus()).isEqualTo(RequestStatus.DENIED);
              assertThat(denied.getReason()).contains("request_id_taken");
              assertThat(denied.getModels()).isEmpty();
            });

    // When: the model begins
    small.register(APART, artifact, SmallCase.policy(1, 1), null, APART);

    // Then: the other is completed, and nobody else's samples are gone
    ErasureReceipt receipt = receipt(id);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(receipt.getModels()).hasSize(1);
    int samples = receipt.getModels().get(0).getSamples();
    assertThat(samples).isIn(3, 5);
    assertThat(get("/v1/models/" + APART).body()).contains("\"erasedSamples\":" + samples);
  }

  private static void lineage(String subject, List<String> samples) {
    producer
        .send(
            topics.datasetLineage(),
            new LineageKey(subject, APART),
            new DatasetLineage(subject, APART, samples, Clock.systemUTC().instant()))
        .join();
  }
}
