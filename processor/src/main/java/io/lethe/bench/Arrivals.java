package io.lethe.bench;

import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What a topic's committed records say by arriving: how many, and which key. Decodes no value. */
final class Arrivals implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  private final KafkaConsumer<byte[], byte[]> consumer;
  private final String topic;

  /** Begins with what arrives from now on. */
  Arrivals(KafkaSettings kafka, Topic<?, ?> topic) {
    this.topic = topic.name();
    consumer =
        new KafkaConsumer<>(
            kafka.consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    List<TopicPartition> partitions =
        consumer.partitionsFor(this.topic).stream()
            .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
            .toList();
    consumer.assign(partitions);
    consumer.seekToEnd(partitions);
    partitions.forEach(consumer::position);
  }

  /**
   * Returns when so many records have come.
   *
   * @throws IllegalStateException when none comes for minutes
   */
  void await(int count) {
    int seen = 0;
    long last = System.nanoTime();
    while (seen < count) {
      int came = consumer.poll(POLL).count();
      seen += came;
      last = came > 0 ? System.nanoTime() : last;
      requirePatience(last, "%d of %d records".formatted(seen, count));
    }
  }

  /** Returns when a record with the key has come. */
  void await(String key) {
    byte[] wanted = key.getBytes(StandardCharsets.UTF_8);
    long began = System.nanoTime();
    boolean seen = false;
    while (!seen) {
      for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
        seen |= Arrays.equals(record.key(), wanted);
      }
      requirePatience(began, "one record");
    }
  }

  private void requirePatience(long since, String what) {
    if (System.nanoTime() - since > PATIENCE.toNanos()) {
      throw new IllegalStateException("%s came on %s".formatted(what, topic));
    }
  }

  @Override
  public void close() {
    consumer.close();
  }
}
