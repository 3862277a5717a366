package io.lethe.topics;

import io.lethe.schemas.serde.EventSerdes;
import io.lethe.schemas.serde.StateSerde;
import io.lethe.topics.Topic.Cleanup;
import io.lethe.topics.Topic.KeyedBy;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * Declares topics in words: what a record is, what it is keyed by, how large it may be, how long it
 * is kept. The last makes the topic and remembers it.
 */
final class Declarations {
  private static final int DEFAULT_MAX_MESSAGE_BYTES = 1 << 20;

  private final String prefix;
  private final Map<String, ?> registry;
  private final List<Topic<?, ?>> declared = new ArrayList<>();

  /**
   * @param prefix put before each name
   * @param registry the {@code schema.registry.*} and serde settings
   */
  Declarations(String prefix, Map<String, ?> registry) {
    this.prefix = prefix;
    this.registry = registry;
  }

  /** What has been declared, in order. */
  List<Topic<?, ?>> all() {
    return List.copyOf(declared);
  }

  /** A topic of the contract: Avro with its schema in the registry, and CloudEvents headers. */
  <V extends SpecificRecord> Value<V> event(String name, Class<V> type) {
    return new Value<>(name, CloudEventSerde.of(type, registry));
  }

  /** A topic inside the application: Avro as the state stores have it. */
  <V extends SpecificRecord> Value<V> state(String name, Class<V> type) {
    return new Value<>(name, StateSerde.of(type));
  }

  /** A topic of records as they came, in whatever partition. */
  Keyed<byte[], byte[]> raw(String name) {
    Serde<byte[]> bytes = Serdes.ByteArray();
    return new Keyed<>(name, KeyedBy.SOURCE, key -> "", bytes, bytes, DEFAULT_MAX_MESSAGE_BYTES);
  }

  /** A topic whose values are known. */
  final class Value<V> {
    private final String name;
    private final Serde<V> valueSerde;

    private Value(String name, Serde<V> valueSerde) {
      this.name = name;
      this.valueSerde = valueSerde;
    }

    /** The key is one id, a UTF-8 string. */
    Keyed<String, V> keyedBy(KeyedBy keyedBy) {
      return keyed(keyedBy, Serdes.String(), key -> key);
    }

    /** The key has several parts, of which the first decides the partition. */
    <K extends SpecificRecord> Keyed<K, V> keyedBy(
        KeyedBy keyedBy, Class<K> type, Function<K, String> firstPart) {
      return keyed(keyedBy, EventSerdes.of(type, registry, true), firstPart);
    }

    private <K> Keyed<K, V> keyed(
        KeyedBy keyedBy, Serde<K> keySerde, Function<K, String> firstPart) {
      return new Keyed<>(name, keyedBy, firstPart, keySerde, valueSerde, DEFAULT_MAX_MESSAGE_BYTES);
    }
  }

  /** A topic that lacks only its cleanup. */
  final class Keyed<K, V> {
    private final String name;
    private final KeyedBy keyedBy;
    private final Function<K, String> firstPart;
    private final Serde<K> keySerde;
    private final Serde<V> valueSerde;
    private final int maxMessageBytes;

    private Keyed(
        String name,
        KeyedBy keyedBy,
        Function<K, String> firstPart,
        Serde<K> keySerde,
        Serde<V> valueSerde,
        int maxMessageBytes) {
      this.name = name;
      this.keyedBy = keyedBy;
      this.firstPart = firstPart;
      this.keySerde = keySerde;
      this.valueSerde = valueSerde;
      this.maxMessageBytes = maxMessageBytes;
    }

    /** The largest record in bytes, where it is not 1 MiB. */
    Keyed<K, V> upTo(int bytes) {
      return new Keyed<>(name, keyedBy, firstPart, keySerde, valueSerde, bytes);
    }

    /** The last record of each key is kept for ever. */
    Topic<K, V> compacted() {
      return topic(Cleanup.COMPACT, null);
    }

    /** Each record is kept for a time. */
    Topic<K, V> kept(Duration retention) {
      return topic(Cleanup.DELETE, retention);
    }

    private Topic<K, V> topic(Cleanup cleanup, Duration retention) {
      Topic<K, V> topic =
          new Topic<>(
              prefix + name,
              keyedBy,
              firstPart,
              cleanup,
              retention,
              maxMessageBytes,
              keySerde,
              valueSerde);
      declared.add(topic);
      return topic;
    }
  }
}
