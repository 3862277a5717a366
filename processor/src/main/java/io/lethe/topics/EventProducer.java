package io.lethe.topics;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Sends events to the topics of the contract, each to the partition that the first part of its key
 * decides. Thread-safe.
 */
public final class EventProducer implements AutoCloseable {
  private static final Duration CLOSE_TIMEOUT = Duration.ofSeconds(5);

  private final Producer<byte[], byte[]> producer;

  public EventProducer(KafkaSettings settings) {
    this(
        new KafkaProducer<>(
            settings.producer(), new ByteArraySerializer(), new ByteArraySerializer()));
  }

  /** Sends by a producer of the caller's, which {@link #close} closes. */
  public EventProducer(Producer<byte[], byte[]> producer) {
    this.producer = producer;
  }

  /**
   * Sends one event; a null value is a tombstone.
   *
   * @return completes when every in-sync replica has the record, or with the error: a {@link
   *     RecordTooLargeException} where it is larger than those who read the topic take, whether or
   *     not the broker would take it compressed
   */
  public <K, V> CompletableFuture<RecordMetadata> send(Topic<K, V> topic, K key, V value) {
    return send(topic, key, value, TraceContext.NONE);
  }

  /**
   * Sends one event in a trace.
   *
   * @param trace the context of what the event comes from
   * @return as {@link #send(Topic, Object, Object)}
   */
  public <K, V> CompletableFuture<RecordMetadata> send(
      Topic<K, V> topic, K key, V value, TraceContext trace) {
    int partition = topic.partition(key, producer.partitionsFor(topic.name()).size());
    Headers headers = new RecordHeaders();
    trace.addTo(headers);
    byte[] keyBytes = topic.keySerde().serializer().serialize(topic.name(), headers, key);
    byte[] valueBytes = topic.valueSerde().serializer().serialize(topic.name(), headers, value);
    long size = RecordSizes.of(keyBytes) + RecordSizes.of(valueBytes) + RecordSizes.of(headers);
    if (size + RecordSizes.ROOM > topic.maxMessageBytes()) {
      return CompletableFuture.failedFuture(
          new RecordTooLargeException(
              "a record of %d bytes is larger, before compression, than topic %s takes (%d)"
                  .formatted(size, topic.name(), topic.maxMessageBytes())));
    }
    CompletableFuture<RecordMetadata> sent = new CompletableFuture<>();
    var unused =
        producer.send(
            new ProducerRecord<>(topic.name(), partition, null, keyBytes, valueBytes, headers),
            (metadata, error) -> {
              if (error == null) {
                sent.complete(metadata);
              } else {
                sent.completeExceptionally(error);
              }
            });
    return sent;
  }

  /** Returns when everything sent before is stored or failed. */
  public void flush() {
    producer.flush();
  }

  @Override
  public void close() {
    producer.close(CLOSE_TIMEOUT);
  }
}
