package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestStatus;
import io.lethe.fisher.FisherSums;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.EventProducer;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.worker.FaultyProcess.Place;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two instances of the topology and two workers are killed (SIGKILL) at random moments while
 * requests arrive, and each starts again on its own data. Every tenth subject asks twice.
 *
 * <p>A small number by default. The full one: {@code -Dlethe.faults.kills=60
 * -Dlethe.faults.requests=5000 -Dlethe.faults.models=20}.
 */
class KillsUnderLoadIT {
  private static final int KILLS = Integer.getInteger("lethe.faults.kills", 6);
  private static final int REQUESTS = Integer.getInteger("lethe.faults.requests", 500);
  private static final int MODELS = Integer.getInteger("lethe.faults.models", 5);
  private static final long SEED = Long.getLong("lethe.faults.seed", 1);
  private static final int REQUESTS_PER_SECOND = Integer.getInteger("lethe.faults.rate", 25);
  private static final Duration PATIENCE = Duration.ofMinutes(5);
  private static final List<String> IDS = List.of("stream-0", "stream-1", "worker-0", "worker-1");

  @TempDir Path directory;
  private final Map<String, Process> processes = new HashMap<>();
  private final FakeModels models = new FakeModels(MODELS, REQUESTS);

  @AfterEach
  void stop() throws InterruptedException {
    for (Process process : processes.values()) {
      process.destroyForcibly().waitFor();
    }
  }

  @Test
  void nothingIsLostAndNothingIsSubtractedTwice() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory.resolve("broker"), 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0)) {
      // Given
      Place reader = place("reader", broker, registry);
      Topics topics = reader.topics();
      FaultyProcess.stream(reader).close(); // makes the topics
      for (String id : IDS) {
        processes.put(id, FaultyProcess.start(place(id, broker, registry)));
      }
      try (EventProducer producer = new EventProducer(reader.kafka())) {
        models.publish(producer, topics, 10, Duration.ofMillis(300));

        // When
        Random random = new Random(SEED);
        List<UUID> sent = new CopyOnWriteArrayList<>();
        ScheduledExecutorService sender = Executors.newSingleThreadScheduledExecutor();
        try {
          var unused =
              sender.scheduleAtFixedRate(
                  () -> request(producer, topics, sent),
                  0,
                  TimeUnit.SECONDS.toMicros(1) / REQUESTS_PER_SECOND,
                  TimeUnit.MICROSECONDS);
          int[] moments = random.ints(KILLS, 0, REQUESTS).sorted().toArray();
          for (int moment : moments) {
            await()
                .atMost(PATIENCE)
                .pollInterval(Duration.ofMillis(1 + random.nextInt(40)))
                .until(() -> sent.size() > moment);
            String victim = IDS.get(random.nextInt(IDS.size()));
            processes.get(victim).destroyForcibly().waitFor();
            processes.put(victim, FaultyProcess.start(place(victim, broker, registry)));
          }
          await().atMost(PATIENCE).until(() -> sent.size() == REQUESTS);
        } finally {
          sender.shutdownNow();
        }

        // Then: one receipt for each
        Map<UUID, Integer> receipts = receipts(reader, topics, Set.copyOf(sent));
        assertThat(receipts.keySet()).containsExactlyInAnyOrderElementsOf(sent);
        assertThat(receipts.values()).containsOnly(1);
      }
      for (Process process : processes.values()) {
        process.destroyForcibly().waitFor();
      }
      requireSums(reader);
    }
  }

  private void request(EventProducer producer, Topics topics, List<UUID> sent) {
    int number = sent.size();
    if (number < REQUESTS) {
      sent.add(FakeModels.request(producer, topics, subject(number)));
    }
  }

  /** Every tenth request is of somebody who asked before. */
  private static int subject(int request) {
    return request % 10 == 9 ? request - 9 : request;
  }

  private static Map<UUID, Integer> receipts(Place place, Topics topics, Set<UUID> expected) {
    Map<UUID, Integer> counts = new HashMap<>();
    List<ErasureReceipt> received = new ArrayList<>();
    try (TopicReader<String, ErasureReceipt> reader =
        new TopicReader<>(place.kafka(), topics.erasureReceipts())) {
      await()
          .atMost(PATIENCE)
          .until(
              () -> {
                reader.poll(Duration.ofMillis(200)).forEach(event -> received.add(event.value()));
                received.forEach(receipt -> counts.merge(receipt.getRequestId(), 1, Integer::sum));
                assertThat(received)
                    .allMatch(receipt -> receipt.getStatus() == RequestStatus.COMPLETED);
                received.clear();
                return counts.keySet().containsAll(expected);
              });
      // A second one would be on its way with the first's transaction or soon after.
      reader
          .poll(Duration.ofSeconds(2))
          .forEach(event -> counts.merge(event.value().getRequestId(), 1, Integer::sum));
    }
    return counts;
  }

  /** The sums, restored from the changelog by an instance that had no part in it. */
  private void requireSums(Place place) {
    Set<String> erased = new HashSet<>();
    for (int request = 0; request < REQUESTS; request++) {
      erased.addAll(FakeModels.samplesOf(subject(request)));
    }
    try (StreamApp app = FaultyProcess.stream(place)) {
      app.start();
      await().atMost(PATIENCE).until(app::isReady);
      for (int model = 0; model < MODELS; model++) {
        String modelId = FakeModels.modelId(model);
        List<String> all = models.samplesOf(modelId);
        FisherSums sums = app.sums(modelId, FakeModels.anchorId(modelId));
        assertThat(sums.retained())
            .usingRecursiveComparison()
            .isEqualTo(FakeModels.sums(all.stream().filter(id -> !erased.contains(id)).toList()));
        assertThat(sums.erased())
            .usingRecursiveComparison()
            .isEqualTo(FakeModels.sums(all.stream().filter(erased::contains).toList()));
      }
    }
  }

  private Place place(String id, EmbeddedBroker broker, EmbeddedSchemaRegistry registry) {
    return new Place(
        id.startsWith("worker") ? "worker" : "stream",
        id,
        broker.bootstrapServers(),
        registry.url(),
        directory,
        MODELS,
        REQUESTS,
        0);
  }
}
