package io.lethe.streams;

import io.lethe.schemas.serde.StateSerde;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** Persistent key-value stores with a changelog, the only kind that the topology uses. */
public final class StateStores {
  private StateStores() {}

  /** A store of Avro records under a string key. */
  public static <V extends SpecificRecord> StoreBuilder<KeyValueStore<String, V>> ofRecords(
      String name, Class<V> type) {
    return of(name, Serdes.String(), StateSerde.of(type));
  }

  /** A store with the given serdes. */
  public static <K, V> StoreBuilder<KeyValueStore<K, V>> of(
      String name, Serde<K> key, Serde<V> value) {
    return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), key, value);
  }
}
