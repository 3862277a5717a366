package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.embedded.Loopback;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestStatus;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.micronaut.context.ApplicationContext;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The stream and the worker role apart, as they run against a Kafka of one's own. */
class RolesIT {
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

  private Map<String, Object> with(
      Map<String, Object> shared, String role, int port, Map<String, Object> own) {
    Map<String, Object> configuration = new HashMap<>(shared);
    configuration.put("lethe.data-dir", directory.resolve(role).toString());
    configuration.put("micronaut.server.port", port);
    configuration.putAll(own);
    return configuration;
  }
}
