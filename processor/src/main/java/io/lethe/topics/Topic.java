package io.lethe.topics;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.utils.Utils;

/**
 * One topic of the contract.
 *
 * @param name full name, prefix included
 * @param keyedBy what the first part of the key is; topics keyed by the same thing have the same
 *     number of partitions
 * @param firstPart the part of the key that decides the partition
 * @param cleanup how the broker cleans it
 * @param retention how long records are kept; null: for ever
 * @param maxMessageBytes the largest record, in bytes
 * @param keySerde of the key
 * @param valueSerde of the value
 */
public record Topic<K, V>(
    String name,
    KeyedBy keyedBy,
    Function<K, String> firstPart,
    Cleanup cleanup,
    Duration retention,
    int maxMessageBytes,
    Serde<K> keySerde,
    Serde<V> valueSerde) {

  /** What decides the partition. */
  public enum KeyedBy {
    SUBJECT,
    MODEL,
    REQUEST,
    JOB,
    SOURCE
  }

  /** The broker's cleanup policy. */
  public enum Cleanup {
    COMPACT,
    DELETE
  }

  /** The topic's configuration in Kafka's names. */
  public Map<String, String> config() {
    Map<String, String> config = new HashMap<>();
    config.put("cleanup.policy", cleanup == Cleanup.COMPACT ? "compact" : "delete");
    config.put("max.message.bytes", Integer.toString(maxMessageBytes));
    if (cleanup == Cleanup.DELETE) {
      config.put("retention.ms", retention == null ? "-1" : Long.toString(retention.toMillis()));
    }
    return config;
  }

  /**
   * The partition of a key: murmur2 of the first part's UTF-8 bytes, as the Java client's default
   * partitioner does for a plain string key.
   */
  public int partition(K key, int partitions) {
    byte[] bytes = firstPart.apply(key).getBytes(StandardCharsets.UTF_8);
    return Utils.toPositive(Utils.murmur2(bytes)) % partitions;
  }
}
