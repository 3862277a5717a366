package io.lethe.topics;

import io.lethe.schemas.client.SchemaRegistryException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic without a consumer group: all partitions, committed records only, from the first
 * one. One thread at a time.
 */
public final class TopicReader<K, V> implements AutoCloseable {
  private final KafkaConsumer<byte[], byte[]> consumer;
  private final Topic<K, V> topic;
  private Map<TopicPartition, Long> ends;
  private long passedOver;

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
      events.add(event(record));
    }
    return events;
  }

  /** As {@link #poll}, but passes over records that do not decode. */
  public List<Event<K, V>> pollDecodable(Duration timeout) {
    List<Event<K, V>> events = new ArrayList<>();
    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(timeout)) {
      try {
        events.add(event(record));
      } catch (SerializationException e) {
        if (SchemaRegistryException.outage(e).isPresent()) {
          throw e;
        }
        passedOver++;
      }
    }
    return events;
  }

  /** How many records {@link #pollDecodable} has passed over. */
  public long passedOver() {
    return passedOver;
  }

  /** Whether all has been read that the topic had when this was first asked. */
  public boolean isAtEnd() {
    if (ends == null) {
      ends = consumer.endOffsets(consumer.assignment());
    }
    return ends.entrySet().stream()
        .allMatch(end -> consumer.position(end.getKey()) >= end.getValue());
  }

  private Event<K, V> event(ConsumerRecord<byte[], byte[]> record) {
    return new Event<>(
        topic.keySerde().deserializer().deserialize(topic.name(), record.key()),
        topic.valueSerde().deserializer().deserialize(topic.name(), record.value()));
  }

  @Override
  public void close() {
    consumer.close();
  }
}
