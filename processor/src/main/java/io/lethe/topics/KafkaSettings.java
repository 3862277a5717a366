package io.lethe.topics;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.clients.CommonClientConfigs;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.StreamsConfig;

/**
 * How clients reach the broker and the registry, and what the program asks of each kind of client.
 * What the user set under {@code kafka.} always wins over what is set here.
 *
 * @param kafka Kafka's own client settings, {@code bootstrap.servers} and security above all
 * @param registry the registry's settings, {@code schema.registry.url} above all
 */
public record KafkaSettings(Map<String, String> kafka, Map<String, String> registry) {
  /** Largest record that any topic takes, in bytes. */
  public static final int MAX_MESSAGE_BYTES = 16 << 20;

  public KafkaSettings {
    if (!kafka.containsKey(CommonClientConfigs.BOOTSTRAP_SERVERS_CONFIG)) {
      throw new IllegalArgumentException("kafka.bootstrap.servers is not set");
    }
    kafka = Map.copyOf(kafka);
    registry = Map.copyOf(registry);
  }

  /** Settings of an admin client. */
  public Map<String, Object> admin() {
    return merged(Map.of());
  }

  /** Settings of an idempotent producer of bytes that loses nothing on a broker's failure. */
  public Map<String, Object> producer() {
    Map<String, Object> defaults = new HashMap<>(producerDefaults());
    // Kafka's default makes a request or an outcome, which is alone, wait 5 ms for company. Where
    // there are many they share a batch all the same, while the ones before them are under way.
    defaults.put(ProducerConfig.LINGER_MS_CONFIG, "0");
    return merged(defaults);
  }

  /** Settings of a consumer of committed bytes that starts at the beginning. */
  public Map<String, Object> consumer() {
    return merged(
        Map.of(
            ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest",
            ConsumerConfig.ISOLATION_LEVEL_CONFIG, "read_committed",
            ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, "false"));
  }

  /** Settings of a share consumer that acknowledges one record at a time by itself. */
  public Map<String, Object> shareConsumer(String groupId) {
    return merged(
        Map.of(
            ConsumerConfig.GROUP_ID_CONFIG, groupId,
            ConsumerConfig.SHARE_ACKNOWLEDGEMENT_MODE_CONFIG, "explicit",
            ConsumerConfig.SHARE_ACQUIRE_MODE_CONFIG, "record_limit",
            ConsumerConfig.MAX_POLL_RECORDS_CONFIG, "1"));
  }

  /** Settings of Kafka Streams: exactly once, every internal name given, errors as dead letters. */
  public Map<String, Object> streams() {
    Map<String, Object> defaults = new HashMap<>();
    defaults.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    defaults.put(StreamsConfig.ENSURE_EXPLICIT_INTERNAL_RESOURCE_NAMING_CONFIG, "true");
    producerDefaults()
        .forEach((name, value) -> defaults.put(StreamsConfig.producerPrefix(name), value));
    // Changelogs are most of what is written, on the stream thread: zstd took a tenth of its time.
    defaults.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
    defaults.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    // With Kafka Streams' 10 s a single record that takes longer (the end of a model with millions
    // of erased samples) is aborted and begun again for ever. The price: what a killed instance had
    // open holds up the others and all readers for so long, unless it comes back with its state
    // directory, which ends it at once.
    defaults.put(StreamsConfig.producerPrefix(ProducerConfig.TRANSACTION_TIMEOUT_CONFIG), "60000");
    // With static membership a thread that was replaced waits for its predecessor's session.
    defaults.put(
        StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), "10000");
    return merged(defaults);
  }

  private static Map<String, Object> producerDefaults() {
    return Map.of(
        ProducerConfig.ACKS_CONFIG, "all",
        ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, "true",
        ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(MAX_MESSAGE_BYTES),
        ProducerConfig.COMPRESSION_TYPE_CONFIG, "zstd");
  }

  private Map<String, Object> merged(Map<String, Object> defaults) {
    Map<String, Object> merged = new HashMap<>(defaults);
    merged.putAll(kafka);
    return merged;
  }
}
