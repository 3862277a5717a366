package io.lethe.topics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.DatasetLineage;
import io.lethe.events.LineageKey;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.producer.MockProducer;
import org.apache.kafka.clients.producer.RoundRobinPartitioner;
import org.apache.kafka.common.Cluster;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;

class EventProducerTest {
  private final Topic<LineageKey, DatasetLineage> topic =
      new Topics("lethe.", Map.of("schema.registry.url", "mock://producer")).datasetLineage();

  @Test
  void whatReadersWouldNotTakeIsNotSent() {
    Node node = new Node(0, "localhost", 9092);
    Node[] replicas = {node};
    Cluster cluster =
        new Cluster(
            "c",
            List.of(node),
            List.of(new PartitionInfo(topic.name(), 0, node, replicas, replicas)),
            Set.of(),
            Set.of());
    try (MockProducer<byte[], byte[]> mock =
            new MockProducer<>(
                cluster,
                true,
                new RoundRobinPartitioner(),
                new ByteArraySerializer(),
                new ByteArraySerializer());
        EventProducer producer = new EventProducer(mock)) {
      int most = topic.maxMessageBytes() - RecordSizes.ROOM;

      producer.send(topic, new LineageKey("s", "d"), lineage(most - 1_000)).join();

      assertThat(mock.history()).hasSize(1);
      assertThatThrownBy(
              () -> producer.send(topic, new LineageKey("s", "d"), lineage(most + 1)).join())
          .hasCauseInstanceOf(RecordTooLargeException.class)
          .hasMessageContaining(topic.name())
          .hasMessageNotContaining("xxxx");
      assertThat(mock.history()).hasSize(1);
    }
  }

  private static DatasetLineage lineage(int bytes) {
    return new DatasetLineage("s", "d", List.of("x".repeat(bytes)), Instant.EPOCH);
  }
}
