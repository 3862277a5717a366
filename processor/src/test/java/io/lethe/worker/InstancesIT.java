package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.events.ErasureReceipt;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.EventProducer;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.worker.FaultyProcess.Place;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Three instances of the topology on one broker: who serves what, and what a death costs. */
class InstancesIT {
  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final Duration STOP = Duration.ofSeconds(10);
  private static final int MODELS = 8;
  private static final int SUBJECTS = 64;

  @TempDir Path directory;
  private final List<Process> processes = new ArrayList<>();

  @AfterEach
  void stop() throws InterruptedException {
    for (Process process : processes) {
      process.destroyForcibly().waitFor();
    }
  }

  @Test
  void theOthersServeWhatAKilledOneServed() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory.resolve("broker"), 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0)) {
      Place here = place("here", broker, registry);
      Topics topics = here.topics();
      StreamApp app = FaultyProcess.stream(here);
      try (EventProducer producer = new EventProducer(here.kafka());
          Admin admin = Admin.create(here.kafka().admin());
          Worker worker = FaultyProcess.worker(place("worker", broker, registry))) {
        // Given: three instances, each with a share
        assertThat(app.isReady()).isFalse();
        List<Boolean> readyWhileRebalancing = new CopyOnWriteArrayList<>();
        app.streams()
            .setStateListener(
                (now, before) -> {
                  if (now == KafkaStreams.State.REBALANCING) {
                    readyWhileRebalancing.add(app.isReady());
                  }
                });
        app.start();
        Process second = start(place("second", broker, registry));
        Process third = start(place("third", broker, registry));
        worker.start();
        await()
            .atMost(PATIENCE)
            .until(() -> everyOneHasAShare(admin, Set.of("here", "second", "third")));
        await().atMost(PATIENCE).until(app::isReady);
        assertThat(readyWhileRebalancing).isNotEmpty().doesNotContain(true);
        new FakeModels(MODELS, SUBJECTS).publish(producer, topics, 4, Duration.ofMillis(200));
        requireServed(here, topics, requests(producer, topics, 0, 16));
        await()
            .atMost(PATIENCE)
            .untilAsserted(
                () ->
                    assertThat(app.streams().metadataForAllStreamsClients())
                        .as("copies of the stores")
                        .anyMatch(client -> !client.standbyTopicPartitions().isEmpty()));

        // When: one is killed and starts again
        second.destroyForcibly().waitFor();
        start(place("second", broker, registry));

        // Then: everything is served, and it has a share again
        requireServed(here, topics, requests(producer, topics, 16, 32));
        await()
            .atMost(PATIENCE)
            .until(() -> everyOneHasAShare(admin, Set.of("here", "second", "third")));

        // When: one is killed and stays away
        third.destroyForcibly().waitFor();

        // Then: its models are served by those that are left
        await().atMost(PATIENCE).until(() -> everyOneHasAShare(admin, Set.of("here", "second")));
        requireServed(here, topics, requests(producer, topics, 32, 48));
        await().atMost(PATIENCE).until(app::isReady);

        // When: it stops as it should
        long began = System.nanoTime();
        app.close();

        // Then: within what it promises
        assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(STOP);
        assertThat(app.isReady()).isFalse();
        assertThat(app.isAlive()).isFalse();
        requireServed(here, topics, requests(producer, topics, 48, 64));
      } finally {
        app.close();
      }
    }
  }

  private Process start(Place place) throws Exception {
    Process process = FaultyProcess.start(place);
    processes.add(process);
    return process;
  }

  private static List<UUID> requests(
      EventProducer producer, Topics topics, int fromSubject, int toSubject) {
    List<UUID> sent = new ArrayList<>();
    for (int subject = fromSubject; subject < toSubject; subject++) {
      sent.add(FakeModels.request(producer, topics, subject));
    }
    return sent;
  }

  private static void requireServed(Place place, Topics topics, List<UUID> requests) {
    Set<UUID> receipts = new HashSet<>();
    try (TopicReader<String, ErasureReceipt> reader =
        new TopicReader<>(place.kafka(), topics.erasureReceipts())) {
      await()
          .atMost(PATIENCE)
          .until(
              () -> {
                reader
                    .poll(Duration.ofMillis(200))
                    .forEach(event -> receipts.add(event.value().getRequestId()));
                return receipts.containsAll(requests);
              });
    }
  }

  private static boolean everyOneHasAShare(Admin admin, Set<String> instances) throws Exception {
    Map<String, Set<TopicPartition>> shares = assignment(admin);
    return shares.keySet().equals(instances)
        && shares.values().stream().noneMatch(Set::isEmpty)
        && shares.values().stream().mapToInt(Set::size).sum()
            == shares.values().stream().flatMap(Set::stream).distinct().count();
  }

  /** Partitions by the instance's stable name. */
  private static Map<String, Set<TopicPartition>> assignment(Admin admin) throws Exception {
    Map<String, Set<TopicPartition>> shares = new TreeMap<>();
    for (MemberDescription member : members(admin)) {
      String instance = member.groupInstanceId().orElseThrow().replaceAll("-\\d+$", "");
      shares.put(
          instance, member.assignment().topicPartitions().stream().collect(Collectors.toSet()));
    }
    return shares;
  }

  private static List<MemberDescription> members(Admin admin) throws Exception {
    return List.copyOf(
        admin
            .describeConsumerGroups(List.of("faults"))
            .describedGroups()
            .get("faults")
            .get()
            .members());
  }

  private Place place(String id, EmbeddedBroker broker, EmbeddedSchemaRegistry registry) {
    return new Place(
        "stream", id, broker.bootstrapServers(), registry.url(), directory, MODELS, SUBJECTS, 1);
  }
}
