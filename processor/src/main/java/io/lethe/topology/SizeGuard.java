package io.lethe.topology;

import io.lethe.topics.RecordSizes;
import io.lethe.topics.Topic;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;

/**
 * Encodes records for a topic and refuses those that are larger than it takes, before compression.
 *
 * <p>RATIONALE: not left to the producer. Within a transaction a send that fails puts the whole
 * transaction into error, whatever the production exception handler answers: the records are
 * processed again, fail again, and nothing moves. Here the one record goes to the dead letters.
 */
final class SizeGuard<K, V> extends ContextualFixedKeyProcessor<K, V, byte[]> {
  private final Topic<K, V> topic;

  SizeGuard(Topic<K, V> topic) {
    this.topic = topic;
  }

  @Override
  public void process(FixedKeyRecord<K, V> record) {
    byte[] encoded =
        topic.valueSerde().serializer().serialize(topic.name(), record.headers(), record.value());
    int size =
        encoded.length
            + topic.keySerde().serializer().serialize(topic.name(), record.key()).length
            + RecordSizes.ROOM;
    if (size > topic.maxMessageBytes()) {
      throw new RecordTooLargeException(
          "a record of %d bytes is larger than topic %s takes (%d)"
              .formatted(size, topic.name(), topic.maxMessageBytes()));
    }
    context().forward(record.withValue(encoded));
  }
}
