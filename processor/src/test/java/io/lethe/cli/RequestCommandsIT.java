package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.artifact.Artifact;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DatasetLineage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelResult;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.LoadedModel;
import io.lethe.roles.EmbeddedStack;
import io.lethe.roles.SmallCase;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.unlearning.Evaluator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.Writer;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Requests by command, on the real stack: what is forgotten, and what is said of it. */
class RequestCommandsIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int LABEL = 2;

  @TempDir static Path directory;
  private static EmbeddedStack stack;
  private static KafkaSettings kafka;
  private static Topics topics;
  private static EventProducer producer;
  private static StreamApp app;
  private static SmallCase small;
  private static Artifact model;

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
    app = stack.context().getBean(StreamApp.class);
    producer = new EventProducer(kafka);
    small = new SmallCase(producer, topics);
    small.publishLineage();
    model = small.train(directory, 1);
    await().atMost(PATIENCE).until(app::isReady);
  }

  @AfterAll
  static void stop() {
    producer.close();
    stack.close();
  }

  private static int request(String... arguments) {
    return Main.commandLine().execute(client("request", arguments));
  }

  /** A command of clients of the stack. */
  private static String[] client(String command, String... arguments) {
    List<String> all = new ArrayList<>(List.of(command));
    all.addAll(List.of(arguments));
    all.addAll(
        List.of(
            "--bootstrap-server",
            stack.bootstrapServers(),
            "--schema-registry",
            stack.registryUrl()));
    return all.toArray(String[]::new);
  }

  /** What a command that ends well prints. */
  private static String printed(String... arguments) {
    PrintStream standard = System.out;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
    int code;
    try {
      code = Main.commandLine().execute(arguments);
    } finally {
      System.setOut(standard);
    }
    String text = said.toString(StandardCharsets.UTF_8);
    assertThat(code).as(text).isZero();
    return text;
  }

  /** What {@code lethe request status} says. */
  private static JsonNode status(UUID requestId) throws IOException {
    return new ObjectMapper()
        .readTree(
            printed("request", "status", requestId.toString(), "--url", stack.api().toString()));
  }

  @Test
  void fromAFileOfLineageToTheReceiptByCommandsAlone() throws Exception {
    // Given: a file that names people, a policy, and a model on disk
    String key = directory.resolve("pseudonym.key").toString();
    Path rows = directory.resolve("people.csv.gz");
    try (Writer csv =
        new OutputStreamWriter(
            new GZIPOutputStream(Files.newOutputStream(rows)), StandardCharsets.UTF_8)) {
      csv.write("sample_id,subject_id\n");
      for (String person : small.subjects()) {
        for (String sample : small.samplesOf(person)) {
          csv.write(sample + "," + person + "\n");
        }
      }
    }
    Path policy = directory.resolve("policy.json");
    Files.writeString(
        policy,
        """
        {"maxRequests": 3, "ladder": ["deepclean"],
         "gate": {"maxRetainDrop": 1, "maxHoldoutDrop": 1, "maxForgetGap": 1, "maxMembershipGap": 1}}
        """);

    // When
    String imported =
        printed(client("dataset", "lineage", "people", rows.toString(), "--pseudonym-key", key));
    String registered =
        printed(
            client(
                "model",
                "register",
                "by-hand",
                "--model",
                directory.resolve("small-1.params").toString(),
                "--dataset-id",
                "people",
                "--dataset",
                SmallCase.DATASET + "#train",
                "--policy",
                policy.toString()));

    // Then
    assertThat(imported).contains("lineage of 30 subjects", "600 rows");
    assertThat(registered).contains("registered by-hand, sha256 " + model.sha256());
    assertThat(printed(client("model", "list"))).contains("by-hand").contains("DJL");
    await().atMost(PATIENCE).until(() -> phase("by-hand") == Phase.COLLECTING);

    // When: one is submitted, and gets more time
    UUID extended = submit(key, small.subjects().get(0));
    await().atMost(PATIENCE).until(() -> status(extended).path("accepted").asBoolean());
    Instant due = Instant.parse(status(extended).path("dueAt").asText());
    request("extend", extended.toString(), "--reason", "many requests");

    // Then
    await()
        .atMost(PATIENCE)
        .until(
            () -> Instant.parse(status(extended).path("dueAt").asText()),
            later -> later.isAfter(due));

    // When: another is held, let go, and withdrawn
    UUID withdrawn = submit(key, small.subjects().get(1));
    request("hold", withdrawn.toString(), "--reason", "a court says so");
    await().atMost(PATIENCE).until(() -> granted(withdrawn, "HOLD"));
    request("release", withdrawn.toString());
    await().atMost(PATIENCE).until(() -> granted(withdrawn, "RELEASE"));
    request("cancel", withdrawn.toString());

    // Then
    assertThat(receipt(withdrawn).getStatus()).isEqualTo(RequestStatus.CANCELLED);

    // When: two more make a batch of three
    UUID second = submit(key, small.subjects().get(2));
    UUID third = submit(key, small.subjects().get(3));

    // Then
    for (UUID done : List.of(extended, second, third)) {
      ErasureReceipt receipt = receipt(done);
      assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
      assertThat(receipt.getModels())
          .singleElement()
          .satisfies(result -> assertThat(result.getSamples()).isEqualTo(20));
    }
    assertThat(versions("by-hand")).hasSize(1);
    assertThat(app.model("by-hand").orElseThrow().getErasedSamples()).isEqualTo(60);

    // When
    printed(client("model", "retire", "by-hand"));

    // Then
    await().atMost(PATIENCE).until(() -> phase("by-hand") == Phase.RETIRED);
    assertThat(printed(client("model", "list"))).doesNotContain("by-hand");
  }

  @Test
  void aRegistrationThatNobodyCouldTakeIsNotSent() throws Exception {
    // Given: requests that only a retraining completes, and no recipe for it
    Path policy = directory.resolve("exact.json");
    Files.writeString(policy, "{\"completion\": \"EXACT\"}");

    // When
    int code =
        Main.commandLine()
            .execute(
                client(
                    "model",
                    "register",
                    "never",
                    "--model",
                    directory.resolve("small-1.params").toString(),
                    "--dataset-id",
                    "people",
                    "--dataset",
                    SmallCase.DATASET + "#train",
                    "--policy",
                    policy.toString()));

    // Then
    assertThat(code).isEqualTo(2);
    assertThat(printed(client("model", "list"))).doesNotContain("never");
  }

  private static boolean granted(UUID requestId, String command) throws IOException {
    for (JsonNode answer : status(requestId).path("commands")) {
      if (answer.path("command").asText().equals(command)
          && answer.path("answer").asText().equals("GRANTED")) {
        return true;
      }
    }
    return false;
  }

  private static ErasureReceipt receipt(UUID requestId) {
    return await()
        .atMost(PATIENCE)
        .until(
            () ->
                read(topics.erasureReceipts()).stream()
                    .filter(one -> one.getRequestId().equals(requestId))
                    .findFirst(),
            Optional::isPresent)
        .orElseThrow();
  }

  private static UUID submit(String key, String person) {
    return UUID.fromString(
        printed(
                client(
                    "request",
                    "submit",
                    "--subject",
                    person,
                    "--model",
                    "by-hand",
                    "--regulation",
                    "GDPR",
                    "--pseudonym-key",
                    key))
            .strip());
  }

  @Test
  void aClassIsForgottenAndDoesNotComeBackWithTheNextBatch() {
    // Given
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(SmallCase.policy(1, 1))
            .setLadder(List.of("deepclean"))
            .setClassLadder(List.of("unsir"))
            .setMethodParameters(Map.of("unsir", "{\"impairRate\":0.02,\"repairRate\":0.01}"))
            .build();
    small.register("m", model, policy);
    await().atMost(PATIENCE).until(() -> phase("m") == Phase.COLLECTING);

    double before = accuracyOnTheClass(Path.of(model.uri()));
    assertThat(before).as("what is to be forgotten is known").isGreaterThan(0.5);

    // When
    int code =
        request(
            "submit",
            "--class",
            Integer.toString(LABEL),
            "--dataset",
            SmallCase.DATASET_ID,
            "--model",
            "m");

    // Then
    assertThat(code).isZero();
    await().atMost(PATIENCE).until(() -> versions("m").size() == 1);
    ModelVersion first = versions("m").get(0);
    assertThat(first.getMethod()).isEqualTo("unsir");
    int ofClass = samplesOf(small.dataset(), LABEL).length;
    ErasureReceipt receipt =
        await()
            .atMost(PATIENCE)
            .until(
                () ->
                    read(topics.erasureReceipts()).stream()
                        .filter(one -> one.getModels().stream().anyMatch(m -> isOf("m", m)))
                        .findFirst(),
                Optional::isPresent)
            .orElseThrow();
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(receipt.getModels().get(0).getSamples()).isEqualTo(ofClass);
    ModelState state = app.model("m").orElseThrow();
    assertThat(state.getErasedSamples()).isEqualTo(ofClass);
    assertThat(app.sums("m", state.getAnchorId()).retained().samples())
        .isEqualTo(small.dataset().size() - ofClass);
    assertThat(accuracyOnTheClass(first)).isLessThan(0.2);

    // When: the next batch is of a person
    small.request(small.subjects().get(0), "m");

    // Then: it starts from there, and not from the anchor that knew the class
    await().atMost(PATIENCE).until(() -> versions("m").size() == 2);
    ModelVersion second = versions("m").get(1);
    assertThat(second.getMethod()).isEqualTo("deepclean");
    assertThat(accuracyOnTheClass(second)).isLessThan(0.2);
  }

  @Test
  void itsStatusSaysWhichModelsAreDoneAndWhichAreNot() {
    // Given: the dataset lacks what lineage says of another name for it
    String person = small.subjects().get(1);
    lineage(person, "elsewhere", List.of("nowhere-1"));
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(SmallCase.policy(1, 0)).setLadder(List.of("deepclean")).build();
    small.register("fine", model, policy);
    small.register("broken", model, policy, null, "elsewhere");
    await().atMost(PATIENCE).until(() -> phase("fine") == Phase.COLLECTING);
    await().atMost(PATIENCE).until(() -> phase("broken") == Phase.COLLECTING);

    // When
    UUID id = small.requestOf(person, List.of("fine", "broken"));

    // Then
    await().atMost(PATIENCE).until(() -> versions("fine").size() == 1);
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> {
              JsonNode said = status(id);
              assertThat(said.path("status").asText()).isEqualTo("IN_PROGRESS");
              assertThat(said.path("results").findValuesAsText("modelId")).containsExactly("fine");
              assertThat(said.path("progress").toString())
                  .contains("\"modelId\":\"broken\",\"stage\":\"STOPPED\"")
                  .contains("\"reason\":\"unknown_samples\"");
            });
    assertThat(read(topics.erasureReceipts()))
        .extracting(ErasureReceipt::getRequestId)
        .doesNotContain(id);
  }

  @Test
  void aRequestForASampleThatIsNotThereDoesNotHoldUpAnother() throws IOException {
    // Given: lineage that names a sample which the model's dataset has not
    Path data = directory.resolve("photos.npz");
    writePhotos(data, small.dataset().size());
    lineage("ann", "photos", List.of("0", "1", "no-such-photo"));
    lineage("ben", "photos", List.of("2", "3"));
    producer
        .send(
            topics.models(),
            "photos",
            ModelRegistered.newBuilder()
                .setModelId("photos")
                .setFormat(ModelFormat.DJL)
                .setArtifactUri(model.uri().toString())
                .setArtifactSha256(model.sha256())
                .setDatasetId("photos")
                .setDatasetUri("npz:" + data)
                .setPolicy(
                    UnlearningPolicy.newBuilder(SmallCase.policy(2, 0))
                        .setMaxAgeMillis(5_000)
                        .setLadder(List.of("deepclean"))
                        .build())
                .setRegisteredAt(Clock.systemUTC().instant())
                .build())
        .join();
    await().atMost(PATIENCE).until(() -> phase("photos") == Phase.COLLECTING);

    // When
    UUID ann = small.requestOf("ann", List.of("photos"));
    UUID ben = small.requestOf("ben", List.of("photos"));

    // Then
    await().atMost(PATIENCE).until(() -> receipts(ben).size() == 1);
    assertThat(receipts(ben).get(0).getStatus()).isEqualTo(RequestStatus.COMPLETED);
    assertThat(status(ann).path("progress").toString())
        .contains("\"stage\":\"STOPPED\"")
        .contains("\"reason\":\"unknown_samples\"");
    assertThat(app.model("photos").orElseThrow().getRequestsSetAside()).isEqualTo(1);
    assertThat(app.model("photos").orElseThrow().getErasedSamples()).isEqualTo(2);

    // When
    printed(client("request", "cancel", ann.toString()));

    // Then
    await().atMost(PATIENCE).until(() -> receipts(ann).size() == 1);
    assertThat(receipts(ann).get(0).getStatus()).isEqualTo(RequestStatus.CANCELLED);
    assertThat(app.model("photos").orElseThrow().getRequestsSetAside()).isZero();
    assertThat(app.model("photos").orElseThrow().getErasedSamples()).isEqualTo(2);
    assertThat(receipts(ben)).hasSize(1);
  }

  /** The first samples of the small dataset, whose ids are their positions. */
  private static void writePhotos(Path file, int samples) throws IOException {
    Path next = directory.resolve("next.npz");
    try (NDManager manager = NDManager.newBaseManager();
        OutputStream out = Files.newOutputStream(next)) {
      NDList photos = small.dataset().batch(manager, IntStream.range(0, samples).toArray());
      photos.get(0).setName("x");
      photos.get(1).setName("y");
      photos.encode(out, NDList.Encoding.NPZ);
    }
    Files.move(next, file, StandardCopyOption.REPLACE_EXISTING);
  }

  private static void lineage(String person, String datasetId, List<String> samples) {
    producer
        .send(
            topics.datasetLineage(),
            new LineageKey(person, datasetId),
            new DatasetLineage(person, datasetId, samples, Clock.systemUTC().instant()))
        .join();
  }

  private static List<ErasureReceipt> receipts(UUID requestId) {
    return read(topics.erasureReceipts()).stream()
        .filter(receipt -> receipt.getRequestId().equals(requestId))
        .toList();
  }

  @Test
  void aRequestThatWaitsForLineageIsShownAsWaiting() {
    // Given: a legal hold keeps the grace period from ending
    UUID id = small.request("nobody", "m");
    request("hold", id.toString());

    // Then
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> {
              JsonNode said = status(id);
              assertThat(said.path("status").asText()).isEqualTo("PENDING");
              assertThat(said.path("accepted").asBoolean(true)).isFalse();
              assertThat(said.path("commands").toString()).contains("GRANTED");
            });
  }

  private static boolean isOf(String modelId, ModelResult result) {
    return result.getModelId().equals(modelId);
  }

  private static Phase phase(String modelId) {
    return app.model(modelId).map(ModelState::getPhase).orElse(Phase.ANCHORING);
  }

  private static int[] samplesOf(SampleDataset dataset, int label) {
    return IntStream.range(0, dataset.size())
        .filter(index -> dataset.label(index) == label)
        .toArray();
  }

  private static double accuracyOnTheClass(ModelVersion version) {
    return accuracyOnTheClass(Path.of(URI.create(version.getArtifactUri())));
  }

  private static double accuracyOnTheClass(Path file) {
    SampleDataset test = Datasets.open(SmallCase.DATASET + "#test");
    try (LoadedModel model = LoadedModel.load(file, ModelFormat.DJL)) {
      return Evaluator.score(model, test, samplesOf(test, LABEL)).metrics().getAccuracy();
    }
  }

  private static List<ModelVersion> versions(String modelId) {
    return read(topics.modelVersions()).stream()
        .filter(version -> version.getModelId().equals(modelId))
        .toList();
  }

  private static <V> List<V> read(Topic<String, V> topic) {
    List<V> all = new ArrayList<>();
    try (TopicReader<String, V> reader = new TopicReader<>(kafka, topic)) {
      List<TopicReader.Event<String, V>> events;
      while (!(events = reader.poll(Duration.ofMillis(300))).isEmpty()) {
        events.forEach(event -> all.add(event.value()));
      }
    }
    return all;
  }
}
