package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.lethe.api.HttpFisherSource;
import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactStores;
import io.lethe.attestation.Finding;
import io.lethe.attestation.SigningKey;
import io.lethe.attestation.Verifier;
import io.lethe.dataset.Datasets;
import io.lethe.events.DatasetLineage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestStatus;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.model.LoadedModel;
import io.lethe.model.TorchScriptFiles;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Progress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The whole program in one process: real broker, registry, topology, stores, worker and gradients.
 */
class EmbeddedStackIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

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
                    "lethe.batching.tick", "200ms",
                    "lethe.intake.tick", "200ms",
                    "lethe.intake.grace", "3s")));
    kafka = stack.context().getBean(KafkaSettings.class);
    topics = stack.context().getBean(Topics.class);
    app = stack.context().getBean(StreamApp.class);
    producer = new EventProducer(kafka);
    small = new SmallCase(producer, topics);
    model = small.train(directory, 1);
    small.publishLineage();
  }

  @AfterAll
  static void stop() {
    producer.close();
    stack.close();
  }

  @Test
  void twoBatchesEndInVersionsReceiptsAndTheSumsOfARecomputation() {
    // Given
    List<String> subjects = small.subjects();
    small.register("m", model, SmallCase.policy(2, 1));
    await().atMost(PATIENCE).until(phase("m"), Phase.COLLECTING::equals);

    // When
    List<UUID> requests = new ArrayList<>();
    requests.add(small.request(subjects.get(0), "m"));
    requests.add(small.request(subjects.get(1), "m"));
    receipts(requests);
    requests.add(small.request(subjects.get(2), "m"));
    requests.add(small.request(subjects.get(3), "m"));
    List<ErasureReceipt> receipts = receipts(requests);

    // Then
    assertThat(receipts)
        .allSatisfy(
            receipt -> {
              assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
              assertThat(receipt.getModels()).hasSize(1);
            });
    List<ModelVersion> versions = versions("m");
    assertThat(versions).extracting(ModelVersion::getVersion).containsExactly(1L, 2L);
    Verifier verifier =
        new Verifier(List.of(stack.context().getBean(SigningKey.class).publicKey()));
    List<Finding> findings = new ArrayList<>();
    versions.forEach(version -> findings.addAll(verifier.verify(version)));
    receipts.forEach(receipt -> findings.addAll(verifier.verify(receipt)));
    assertThat(findings).allMatch(finding -> finding.level() != Finding.Level.WRONG);
    versions.forEach(
        version ->
            ArtifactStores.check(
                ArtifactStores.location(version.getArtifactUri()), version.getArtifactSha256()));

    Set<String> erased = new HashSet<>();
    subjects.subList(0, 4).forEach(subject -> erased.addAll(small.samplesOf(subject)));
    assertThat(versions.get(1).getErasedSamples()).isEqualTo(erased.size());
    FisherSums sums = app.sums("m", model.sha256());
    assertSums(sums.retained(), recomputed(id -> !erased.contains(id)));
    assertSums(sums.erased(), recomputed(erased::contains));

    FisherSums overHttp =
        new HttpFisherSource(stack.api(), directory.resolve("http")).sums("m", model.sha256());
    assertSums(overHttp.retained(), sums.retained());
    assertThat(overHttp.erased().samples()).isEqualTo(erased.size());
  }

  /** Exact sums over some of the samples, by a computation of their own at the anchor's weights. */
  private static FisherDiagonal recomputed(java.util.function.Predicate<String> wanted) {
    Path file = Path.of(model.uri());
    int[] positions =
        IntStream.range(0, small.dataset().size())
            .filter(i -> wanted.test(small.dataset().sampleId(i)))
            .toArray();
    try (LoadedModel anchor = LoadedModel.load(file, ModelFormat.DJL)) {
      return new FisherComputer(anchor).sum(small.dataset(), positions, Progress.NONE);
    }
  }

  /** Equal to 1e-5: each tensor by its norm, each value relative to its tensor's largest. */
  private static void assertSums(FisherDiagonal actual, FisherDiagonal expected) {
    assertThat(actual.samples()).isEqualTo(expected.samples());
    for (int t = 0; t < expected.tensors().size(); t++) {
      float[] want = expected.tensors().get(t).values();
      float[] have = actual.tensors().get(t).values();
      double largest = 0;
      double norm = 0;
      double error = 0;
      for (int i = 0; i < want.length; i++) {
        largest = Math.max(largest, Math.abs(want[i]));
        norm += (double) want[i] * want[i];
        error += ((double) have[i] - want[i]) * ((double) have[i] - want[i]);
      }
      assertThat(largest).as(expected.tensors().get(t).name()).isPositive();
      assertThat(Math.sqrt(error / norm)).isLessThanOrEqualTo(1e-5);
      for (int i = 0; i < want.length; i++) {
        assertThat((double) have[i]).isCloseTo(want[i], within(1e-5 * largest));
      }
    }
  }

  @Test
  void aModelFromPyTorchIsUnlearnedAndStaysOne() {
    // Given
    String uri = "synthetic:digits?samples=120&subjects=12&classes=3&side=8&seed=3";
    List<String> samples =
        IntStream.range(0, 10).mapToObj(Datasets.open(uri + "#train")::sampleId).toList();
    Artifact scripted =
        ArtifactStores.open(ArtifactStores.location(directory.resolve("models").toString()))
            .put(TorchScriptFiles.file("scripted.pt"));
    producer
        .send(
            topics.datasetLineage(),
            new LineageKey("torch-person", "torch-data"),
            new DatasetLineage("torch-person", "torch-data", samples, Clock.systemUTC().instant()))
        .join();
    producer
        .send(
            topics.models(),
            "torch",
            ModelRegistered.newBuilder()
                .setModelId("torch")
                .setFormat(ModelFormat.TORCHSCRIPT)
                .setArtifactUri(scripted.uri().toString())
                .setArtifactSha256(scripted.sha256())
                .setDatasetId("torch-data")
                .setDatasetUri(uri + "#train")
                .setHoldoutUri(uri + "#test")
                .setPolicy(SmallCase.policy(1, 1))
                .setRegisteredAt(Clock.systemUTC().instant())
                .build())
        .join();
    await().atMost(PATIENCE).until(phase("torch"), Phase.COLLECTING::equals);

    // When
    List<ErasureReceipt> receipts = receipts(List.of(small.request("torch-person", "torch")));

    // Then
    assertThat(receipts.get(0).getStatus()).isEqualTo(RequestStatus.COMPLETED);
    ModelVersion version = versions("torch").get(0);
    assertThat(version.getFormat()).isEqualTo(ModelFormat.TORCHSCRIPT);
    assertThat(app.sums("torch", scripted.sha256()).erased().samples()).isEqualTo(10);
    try (LoadedModel before = TorchScriptFiles.load("scripted.pt");
        LoadedModel after =
            LoadedModel.load(Path.of(URI.create(version.getArtifactUri())), version.getFormat())) {
      assertThat(after.weights())
          .extracting(LoadedModel.Weight::name)
          .containsExactlyElementsOf(
              before.weights().stream().map(LoadedModel.Weight::name).toList());
      assertThat(contents(after)).isNotEqualTo(contents(before));
    }
  }

  @Test
  void anUnknownSubjectGetsADeniedReceipt() {
    // When
    UUID id = small.request("nobody", null);

    // Then
    ErasureReceipt receipt = receipts(List.of(id)).get(0);
    assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
    assertThat(receipt.getReason()).contains("no_match");
  }

  @Test
  void aCorruptedArtifactParksTheModelAndKeepsItsRequests() throws Exception {
    // Given
    Artifact artifact = small.train(directory, 2);
    Path file = Path.of(artifact.uri());
    byte[] bytes = Files.readAllBytes(file);
    bytes[bytes.length - 1] ^= 1;
    Files.delete(file);
    Files.write(file, bytes);

    // When
    small.register("corrupt", artifact, SmallCase.policy(1, 1));
    UUID id = small.request(small.subjects().get(9), "corrupt");

    // Then
    await().atMost(PATIENCE).until(phase("corrupt"), Phase.PARKED::equals);
    await()
        .atMost(PATIENCE)
        .until(() -> app.model("corrupt").orElseThrow().getPendingRequests() == 1);
    await()
        .atMost(PATIENCE)
        .until(
            () ->
                get("/v1/requests/" + id)
                    .body()
                    .contains("\"blockedBy\":[{\"modelId\":\"corrupt\",\"phase\":\"PARKED\""));
  }

  @Test
  void aMalformedRequestIsADeadLetterAndNothingStops() throws Exception {
    // When
    try (var raw =
        new org.apache.kafka.clients.producer.KafkaProducer<>(
            kafka.producer(),
            new org.apache.kafka.common.serialization.ByteArraySerializer(),
            new org.apache.kafka.common.serialization.ByteArraySerializer())) {
      raw.send(
              new org.apache.kafka.clients.producer.ProducerRecord<>(
                  topics.deletionRequests().name(), new byte[] {'x'}, new byte[] {0, 1, 2}))
          .get();
    }

    // Then
    await().atMost(PATIENCE).until(() -> !readAll(topics.deadLetters()).isEmpty());
    UUID id = small.request("nobody-else", null);
    assertThat(receipts(List.of(id))).hasSize(1);
  }

  @Test
  void healthAndRequestsAreServed() throws Exception {
    // Given
    await().atMost(PATIENCE).until(app::isReady);
    UUID id = small.request("a stranger", null);
    receipts(List.of(id));

    // When
    HttpResponse<String> readiness = get("/health/readiness");
    HttpResponse<String> known = get("/v1/requests/" + id);
    HttpResponse<String> unknown = get("/v1/requests/" + UUID.randomUUID());
    HttpResponse<String> metrics = get("/prometheus");

    // Then
    assertThat(readiness.statusCode()).isEqualTo(200);
    assertThat(known.body()).contains("\"status\":\"DENIED\"");
    assertThat(unknown.statusCode()).isEqualTo(404);
    assertThat(unknown.headers().firstValue("content-type").orElse(""))
        .startsWith("application/problem+json");
    assertThat(metrics.body()).contains("kafka_stream");
  }

  private static String contents(LoadedModel model) {
    return model.weights().stream()
        .map(weight -> Arrays.toString(weight.array().toFloatArray()))
        .toList()
        .toString();
  }

  private static HttpResponse<String> get(String path) throws Exception {
    URI uri = stack.api().resolve(path);
    return HttpClient.newHttpClient()
        .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());
  }

  private static Callable<Phase> phase(String modelId) {
    return () -> {
      try {
        return app.model(modelId).map(ModelState::getPhase).orElse(null);
      } catch (InvalidStateStoreException e) {
        return null; // still starting
      }
    };
  }

  private static List<ErasureReceipt> receipts(List<UUID> requests) {
    Map<UUID, ErasureReceipt> found = new HashMap<>();
    await()
        .atMost(PATIENCE)
        .until(
            () -> {
              readAll(topics.erasureReceipts())
                  .forEach(event -> found.put(event.value().getRequestId(), event.value()));
              return found.keySet().containsAll(requests);
            });
    return requests.stream().map(found::get).toList();
  }

  private static List<ModelVersion> versions(String modelId) {
    return readAll(topics.modelVersions()).stream()
        .map(TopicReader.Event::value)
        .filter(version -> version.getModelId().equals(modelId))
        .toList();
  }

  private static <K, V> List<TopicReader.Event<K, V>> readAll(Topic<K, V> topic) {
    List<TopicReader.Event<K, V>> events = new ArrayList<>();
    try (TopicReader<K, V> reader = new TopicReader<>(kafka, topic)) {
      List<TopicReader.Event<K, V>> polled;
      while (!(polled = reader.poll(Duration.ofMillis(500))).isEmpty()) {
        events.addAll(polled);
      }
    } catch (SerializationException e) {
      throw new AssertionError("the topic holds what does not decode", e);
    }
    return events;
  }
}
