package io.lethe.topology;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/** What is set for speed and memory, and nothing else, in Kafka's names. */
public final class StreamTuning {
  private static final int MIB = 1 << 20;

  /** A chunk of a diagonal has half a MiB: by default one fetch would bring one or two. */
  private static final int RESTORE_PARTITION_FETCH_BYTES = 16 * MIB;

  /** What a restore holds in memory is about twice this: one fetch at work, one on its way. */
  private static final int RESTORE_FETCH_BYTES = 32 * MIB;

  /**
   * A fetch that finds nothing keeps the connection until it is over, and with it the question
   * where the next task's changelogs begin: with Kafka's default of 500 ms that was half of a
   * restart.
   */
  private static final int RESTORE_FETCH_WAIT_MILLIS = 20;

  private static final int PRODUCER_BATCH_BYTES = 128 << 10;

  private StreamTuning() {}

  /** Settings of Kafka Streams, below those of the user. */
  public static Map<String, Object> of(StreamSettings settings) {
    Map<String, Object> config = new HashMap<>();
    config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, settings.commitInterval().toMillis());
    config.put(StreamsConfig.POLL_MS_CONFIG, settings.profile().pollInterval().toMillis());
    config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, settings.threads());
    config.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, settings.standbyReplicas());
    // The rules take events of different topics in any order, so a task need not wait until it has
    // a record of each: with Kafka's default that wait was nine tenths of a busy thread's time.
    config.put(StreamsConfig.MAX_TASK_IDLE_MS_CONFIG, StreamsConfig.MAX_TASK_IDLE_MS_DISABLED);
    config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0); // no store uses it
    config.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, StoreMemory.class);
    config.put(StoreMemory.BYTES, (long) settings.storeMemoryMib() * MIB);
    config.put(StoreMemory.PARTITIONS, settings.partitions());
    config.put(
        StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG),
        settings.profile().lingerMillis());
    config.put(
        StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), PRODUCER_BATCH_BYTES);
    restore(config, ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, RESTORE_PARTITION_FETCH_BYTES);
    restore(config, ConsumerConfig.FETCH_MAX_BYTES_CONFIG, RESTORE_FETCH_BYTES);
    restore(config, ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, RESTORE_FETCH_WAIT_MILLIS);
    restore(config, ConsumerConfig.RECEIVE_BUFFER_CONFIG, -1); // as the system finds best
    return config;
  }

  private static void restore(Map<String, Object> config, String name, int value) {
    config.put(StreamsConfig.restoreConsumerPrefix(name), value);
  }
}
