package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.artifact.Artifact;
import io.lethe.embedded.EmbeddedBroker;
import io.lethe.embedded.Loopback;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestStatus;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.micronaut.context.ApplicationContext;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The stream and the worker role apart, as they run against a Kafka of one's own. */
class RolesIT {
  private static final int MODELS = 12;

  @TempDir Path directory;

  @Test
  void aWorkerOfItsOwnReadsTheSumsOverTheApiAndTheRequestIsCompleted() {
    int streamPort = Loopback.claim(0);
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory.resolve("broker"), 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0)) {
      Map<String, Object> shared =
          Map.of(
              "kafka.bootstrap.servers", broker.bootstrapServers(),
              "schema.registry.url", registry.url(),
              "lethe.stream.commit-interval", "25ms",
              "lethe.artifacts", directory.resolve("artifacts").toString());
      try (ApplicationContext stream =
              Roles.STREAM.start(with(shared, "stream", streamPort, Map.of()));
          ApplicationContext worker =
              Roles.WORKER.start(
                  with(
                      shared,
                      "worker",
                      Loopback.claim(0),
                      Map.of("lethe.worker.stream-url", "http://127.0.0.1:" + streamPort)));
          EventProducer producer = new EventProducer(stream.getBean(KafkaSettings.class))) {
        // Given
        Topics topics = stream.getBean(Topics.class);
        SmallCase small = new SmallCase(producer, topics);
        small.publishLineage();
        small.register("m", small.train(directory, 1), SmallCase.policy(1, 1));

        // When
        UUID id = small.request(small.subjects().get(0), null);

        // Then
        List<ErasureReceipt> receipts = new ArrayList<>();
        try (TopicReader<String, ErasureReceipt> reader =
            new TopicReader<>(worker.getBean(KafkaSettings.class), topics.erasureReceipts())) {
          await()
              .atMost(Duration.ofMinutes(2))
              .until(
                  () -> {
                    reader
                        .poll(Duration.ofMillis(200))
                        .forEach(event -> receipts.add(event.value()));
                    return !receipts.isEmpty();
                  });
        }
        assertThat(receipts).hasSize(1);
        assertThat(receipts.get(0).getRequestId()).isEqualTo(id);
        assertThat(receipts.get(0).getStatus()).isEqualTo(RequestStatus.COMPLETED);
      }
    }
  }

  @Test
  void anInstanceSendsOnWhoAsksForAnothersModelsAndIsNotReadyOnceItsStreamsHaveStopped()
      throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory.resolve("broker"), 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0)) {
      Map<String, Object> shared =
          Map.of(
              "kafka.bootstrap.servers", broker.bootstrapServers(),
              "schema.registry.url", registry.url(),
              "lethe.stream.commit-interval", "25ms",
              "lethe.artifacts", directory.resolve("artifacts").toString(),
              "lethe.attestation.key", directory.resolve("signing.pem").toString());
      int onePort = Loopback.claim(0);
      try (ApplicationContext one =
              Roles.STREAM.start(
                  with(shared, "one", onePort, Map.of("lethe.stream.instance-id", "one")));
          EventProducer producer = new EventProducer(one.getBean(KafkaSettings.class))) {
        int twoPort = Loopback.claim(0);
        try (ApplicationContext two =
            Roles.STREAM.start(
                with(shared, "two", twoPort, Map.of("lethe.stream.instance-id", "two")))) {
          // Given: models in every partition
          SmallCase small = new SmallCase(producer, one.getBean(Topics.class));
          Artifact artifact = small.train(directory, 1);
          List<String> models =
              IntStream.range(0, MODELS).mapToObj(number -> "model-" + number).toList();
          models.forEach(model -> small.register(model, artifact, SmallCase.policy(1, 1)));

          // Then: one of the two has each, and the other says which
          await()
              .atMost(Duration.ofMinutes(2))
              .ignoreExceptions()
              .untilAsserted(
                  () -> {
                    Set<Integer> owners = new HashSet<>();
                    for (String model : models) {
                      owners.add(owner(model, onePort, twoPort));
                    }
                    assertThat(owners).containsExactlyInAnyOrder(onePort, twoPort);
                  });
          assertThat(status(twoPort, "/health/readiness")).isEqualTo(200);
          assertThat(status(twoPort, "/health/liveness")).isEqualTo(200);

          // When
          two.getBean(StreamApp.class).close();

          // Then
          assertThat(status(twoPort, "/health/readiness")).isEqualTo(503);
          assertThat(status(twoPort, "/health/liveness")).isEqualTo(503);
          assertThat(status(onePort, "/health/liveness")).isEqualTo(200);
        }
      }
    }
  }

  /** Port of the instance that has the model; the other one says so. */
  private static int owner(String model, int onePort, int twoPort) throws Exception {
    String path = "/v1/models/" + model;
    HttpResponse<String> one = get(onePort, path);
    HttpResponse<String> two = get(twoPort, path);
    HttpResponse<String> owners = one.statusCode() == 200 ? one : two;
    HttpResponse<String> other = one.statusCode() == 200 ? two : one;
    assertThat(owners.statusCode()).isEqualTo(200);
    assertThat(owners.body()).contains(model);
    assertThat(other.statusCode()).isEqualTo(307);
    assertThat(other.headers().firstValue("location")).contains(owners.uri().toString());
    return owners.uri().getPort();
  }

  private static int status(int port, String path) throws Exception {
    return get(port, path).statusCode();
  }

  private static HttpResponse<String> get(int port, String path)
      throws IOException, InterruptedException {
    return HttpClient.newHttpClient()
        .send(
            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).build(),
            HttpResponse.BodyHandlers.ofString());
  }

  private Map<String, Object> with(
      Map<String, Object> shared, String role, int port, Map<String, Object> own) {
    Map<String, Object> configuration = new HashMap<>(shared);
    configuration.put("lethe.data-dir", directory.resolve(role).toString());
    configuration.put("micronaut.server.port", port);
    configuration.putAll(own);
    return configuration;
  }
}
