package io.lethe.streams;

import io.lethe.schemas.serde.StateSerde;
import java.util.function.Function;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/** How the key-value stores of the topology are made; each has a changelog. */
public final class StateStores {
  private final Function<String, KeyValueBytesStoreSupplier> suppliers;

  private StateStores(Function<String, KeyValueBytesStoreSupplier> suppliers) {
    this.suppliers = suppliers;
  }

  /** Stores on disk, the only kind for a program that runs. */
  public static StateStores persistent() {
    return new StateStores(Stores::persistentKeyValueStore);
  }

  /** Stores in memory: a test opens and closes them in no time. */
  public static StateStores inMemory() {
    return new StateStores(Stores::inMemoryKeyValueStore);
  }

  /** A store of Avro records under a string key. */
  public <V extends SpecificRecord> StoreBuilder<KeyValueStore<String, V>> ofRecords(
      String name, Class<V> type) {
    return of(name, Serdes.String(), StateSerde.of(type));
  }

  /**
   * A store of Avro records that are replaced many times between two commits: only the last of them
   * reaches the disk and the changelog.
   *
   * @param atHand records that are kept in memory besides, about: those that changed last
   */
  public <V extends SpecificRecord> StoreBuilder<KeyValueStore<String, V>> ofBusyRecords(
      String name, Class<V> type, int atHand) {
    return BusyStore.over(ofRecords(name, type), atHand);
  }

  /**
   * A store of few and small entries that are read with every event: they are also held in memory.
   */
  public <V> StoreBuilder<KeyValueStore<String, V>> ofFew(String name, Serde<V> value) {
    return SmallStore.over(of(name, Serdes.String(), value));
  }

  /** A store with the given serdes. */
  public <K, V> StoreBuilder<KeyValueStore<K, V>> of(String name, Serde<K> key, Serde<V> value) {
    return Stores.keyValueStoreBuilder(suppliers.apply(name), key, value);
  }
}
