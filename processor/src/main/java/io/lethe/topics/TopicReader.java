package io.lethe.topics;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic without a consumer group: all partitions, committed records only, from the first
 * one. One thread at a time.
 */
public final class TopicReader<K, V> implements AutoCloseable {
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final Topic<K, V> topic;

  /** A record; value is null for a tombstone. */
  public record Event<K, V>(K key, V value) {}

  public TopicReader(KafkaSettings settings, Topic<K, V> topic) {
    this.topic = topic;
    this.consumer =
        new KafkaConsumer<>(
            settings.consumer(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    List<TopicPartition> partitions =
        consumer.partitionsFor(topic.name()).stream()
            .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
            .toList();
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
  }

  /** The next events, in the order of each partition; empty when none came in time. */
  public List<Event<K, V>> poll(Duration timeout) {
    List<Event<K, V>> events = new ArrayList<>();
    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(timeout)) {
      events.add(
          new Event<>(
              topic.keySerde().deserializer().deserialize(topic.name(), record.key()),
              topic.valueSerde().deserializer().deserialize(topic.name(), record.value())));
    }
    return events;
  }

  @Override
  public void close() {
    consumer.close();
  }
}
