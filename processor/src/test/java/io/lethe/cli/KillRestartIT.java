package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.api.HttpFisherSource;
import io.lethe.embedded.Loopback;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.JobStage;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestStatus;
import io.lethe.fisher.FisherSums;
import io.lethe.roles.SmallCase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Kill -9 of {@code lethe up} in the middle of a job, and a new start on the same data. */
class KillRestartIT {
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  /** So many passes of the repair that a kill finds the job running. */
  private static final int LONG_REPAIR = 150;

  @TempDir Path directory;
  private final int httpPort = Loopback.claim(0);
  private final int kafkaPort = Loopback.claim(0);
  private final int registryPort = Loopback.claim(0);
  private Process process;

  @AfterEach
  void stop() throws Exception {
    if (process != null) {
      process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
    }
  }

  @Test
  void theBatchCompletesWithOneVersionAndOneReceiptPerRequest() throws Exception {
    // Given
    process = up();
    awaitReady();
    String bootstrap = "127.0.0.1:" + kafkaPort;
    KafkaSettings kafka =
        new KafkaSettings(
            Map.of("bootstrap.servers", bootstrap),
            Map.of("schema.registry.url", "http://127.0.0.1:" + registryPort));
    Topics topics = new Topics("lethe.", kafka.registry());
    List<UUID> requests = new ArrayList<>();
    try (EventProducer producer = new EventProducer(kafka)) {
      SmallCase small = new SmallCase(producer, topics);
      small.publishLineage();
      small.register("m", small.train(directory, 1), SmallCase.policy(3, LONG_REPAIR));
      for (String subject : small.subjects().subList(0, 3)) {
        requests.add(small.request(subject, "m"));
      }
    }
    awaitRepair(kafka, topics);

    // When
    process.destroyForcibly().waitFor();
    assertThat(process.exitValue()).isEqualTo(137);
    process = up();

    // Then
    await()
        .atMost(PATIENCE)
        .ignoreExceptions()
        .until(() -> values(kafka, topics.erasureReceipts()).size() >= requests.size());
    List<ErasureReceipt> receipts = values(kafka, topics.erasureReceipts());
    assertThat(receipts)
        .extracting(ErasureReceipt::getRequestId)
        .containsExactlyInAnyOrderElementsOf(requests);
    assertThat(receipts)
        .allMatch(receipt -> receipt.getStatus() == RequestStatus.COMPLETED)
        .allMatch(receipt -> receipt.getModels().get(0).getVersion() == 1);
    assertThat(values(kafka, topics.modelVersions()))
        .extracting(ModelVersion::getVersion)
        .containsExactly(1L);
    // A worker may run a job twice when it lost its lock; the second outcome is the same job's.
    assertThat(
            values(kafka, topics.jobOutcomes()).stream()
                .filter(outcome -> outcome.getKind() == JobKind.UNLEARN)
                .map(JobOutcome::getJobId)
                .distinct())
        .hasSize(1);
    ModelVersion version = values(kafka, topics.modelVersions()).get(0);
    FisherSums sums =
        new HttpFisherSource(
                URI.create("http://127.0.0.1:" + httpPort), directory.resolve("fisher"))
            .sums("m", version.getAnchorId());
    assertThat(sums.erased().samples()).isEqualTo(version.getErasedSamples());
    assertThat(sums.retained().samples()).isEqualTo(600 - version.getErasedSamples());
  }

  private Process up() throws IOException {
    String classPath =
        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            "-Dai.djl.offline=true",
            "-Dlethe.worker.lock=3s",
            "-Dlethe.batching.tick=200ms",
            "-cp",
            classPath,
            "io.lethe.cli.Main",
            "up",
            "--data",
            directory.resolve("data").toString(),
            "--port",
            Integer.toString(httpPort),
            "--kafka-port",
            Integer.toString(kafkaPort),
            "--registry-port",
            Integer.toString(registryPort))
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(directory.resolve("up.log").toFile()))
        .start();
  }

  private void awaitReady() {
    URI readiness = URI.create("http://127.0.0.1:" + httpPort + "/health/readiness");
    HttpClient client = HttpClient.newHttpClient();
    await()
        .atMost(PATIENCE)
        .ignoreExceptions()
        .until(
            () ->
                client
                        .send(
                            HttpRequest.newBuilder(readiness).build(),
                            HttpResponse.BodyHandlers.discarding())
                        .statusCode()
                    == 200);
  }

  private static void awaitRepair(KafkaSettings kafka, Topics topics) {
    try (TopicReader<String, JobProgress> reader = new TopicReader<>(kafka, topics.jobProgress())) {
      await()
          .atMost(PATIENCE)
          .until(
              () ->
                  reader.poll(Duration.ofMillis(200)).stream()
                      .anyMatch(event -> event.value().getStage() == JobStage.REPAIR));
    }
  }

  private static <V> List<V> values(KafkaSettings kafka, Topic<String, V> topic) {
    List<V> values = new ArrayList<>();
    try (TopicReader<String, V> reader = new TopicReader<>(kafka, topic)) {
      List<TopicReader.Event<String, V>> polled;
      while (!(polled = reader.poll(Duration.ofMillis(500))).isEmpty()) {
        polled.forEach(event -> values.add(event.value()));
      }
    }
    return values;
  }
}
