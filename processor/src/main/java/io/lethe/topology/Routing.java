package io.lethe.topology;

import io.lethe.topics.Topic;
import java.util.function.BiFunction;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Tells records that lie on the partition of their key from those that do not: a producer with
 * another partitioner than the contract's (murmur2 of the key's first part) puts a subject's
 * request where its lineage is not, and it would be denied for want of a match.
 */
final class Routing<K, V> extends ContextualProcessor<K, V, K, Routing.Routed<V>> {
  /** A record's value; null for a tombstone. */
  record Routed<V>(V value, boolean home) {}

  private final Topic<K, V> topic;
  private final int partitions;
  private final BiFunction<K, V, K> keyOf;

  /**
   * @param partitions that the topic has
   * @param keyOf the key that decides where the record belongs; null where none does
   */
  Routing(Topic<K, V> topic, int partitions, BiFunction<K, V, K> keyOf) {
    this.topic = topic;
    this.partitions = partitions;
    this.keyOf = keyOf;
  }

  @Override
  public void process(Record<K, V> record) {
    K key = keyOf.apply(record.key(), record.value());
    int at = context().recordMetadata().orElseThrow().partition();
    boolean home = key == null || topic.partition(key, partitions) == at;
    context().forward(record.withKey(key).withValue(new Routed<>(record.value(), home)));
  }
}
