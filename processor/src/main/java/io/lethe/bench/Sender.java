package io.lethe.bench;

import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import java.util.concurrent.atomic.AtomicReference;

/** Sends events without waiting, and tells at the next flush when one was not taken. */
final class Sender implements AutoCloseable {
  private final EventProducer producer;
  private final AtomicReference<Throwable> failure = new AtomicReference<>();

  Sender(KafkaSettings kafka) {
    producer = new EventProducer(kafka);
  }

  <K, V> void send(Topic<K, V> topic, K key, V value) {
    var unused =
        producer
            .send(topic, key, value)
            .whenComplete(
                (stored, error) -> {
                  if (error != null) {
                    failure.compareAndSet(null, error);
                  }
                });
  }

  /**
   * Returns when everything is stored.
   *
   * @throws IllegalStateException when something is not
   */
  void flush() {
    producer.flush();
    if (failure.get() != null) {
      throw new IllegalStateException("an event was not stored", failure.get());
    }
  }

  @Override
  public void close() {
    producer.close();
  }
}
