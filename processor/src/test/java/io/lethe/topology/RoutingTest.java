package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.DeletionRequest;
import io.lethe.events.RequestStatus;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.streams.processor.api.MockProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RoutingTest {
  private static final int PARTITIONS = 4;

  @TempDir Path directory;

  @Test
  void tellsRecordsOnTheirPartitionFromOthers() {
    // Given
    Topic<String, DeletionRequest> topic =
        new Topics("lethe.", Map.of("schema.registry.url", "mock://routing")).deletionRequests();
    Routing<String, DeletionRequest> routing =
        new Routing<>(topic, PARTITIONS, (key, value) -> key);
    MockProcessorContext<String, Routing.Routed<DeletionRequest>> context =
        new MockProcessorContext<>();
    routing.init(context);
    int home = topic.partition("alice", PARTITIONS);

    // When
    for (int partition = 0; partition < PARTITIONS; partition++) {
      context.setRecordMetadata(topic.name(), partition, 0);
      routing.process(new Record<>("alice", null, 0));
    }

    // Then
    List<Boolean> found =
        context.forwarded().stream().map(forward -> forward.record().value().home()).toList();
    assertThat(found).hasSize(PARTITIONS);
    for (int partition = 0; partition < PARTITIONS; partition++) {
      assertThat(found.get(partition)).isEqualTo(partition == home);
    }
  }

  @Test
  void aRequestWithoutASubjectBelongsWhereItsIdDoesWhateverItsKey() {
    UUID id = new UUID(1, 2);
    Selector classes =
        Selector.newBuilder().setKind(SelectorKind.CLASS).setClasses(List.of("3")).build();
    Selector subject =
        Selector.newBuilder().setKind(SelectorKind.SUBJECT).setSubjectId("alice").build();

    for (String key : new String[] {null, "anything"}) {
      assertThat(LetheTopology.keyOf(key, request(id, classes))).isEqualTo(id.toString());
      assertThat(LetheTopology.keyOf(key, request(id, subject))).isEqualTo("alice");
    }
  }

  private static DeletionRequest request(UUID id, Selector selector) {
    return DeletionRequest.newBuilder()
        .setRequestId(id)
        .setSelector(selector)
        .setReceivedAt(TopologyFixture.START)
        .build();
  }

  @Test
  void aMisroutedRequestMeetsItsLineage() {
    // Given: a driver, which puts everything on partition 0 of 4
    try (TopologyFixture lethe = TopologyFixture.withPartitions(directory, PARTITIONS)) {
      for (String model : List.of("m1", "m2", "m3", "m4", "m5")) {
        lethe.registerAnchored(model, "d-" + model, policy(1, Duration.ofDays(365)));
        lethe.lineage("subject-" + model, "d-" + model, "s1");
      }

      // When
      for (String model : List.of("m1", "m2", "m3", "m4", "m5")) {
        lethe.request("subject-" + model);
      }

      // Then
      lethe.jobs().forEach(lethe::unlearned);
      assertThat(lethe.receipts())
          .hasSize(5)
          .allSatisfy(
              receipt -> assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED));
    }
  }
}
