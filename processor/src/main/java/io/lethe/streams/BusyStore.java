package io.lethe.streams;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.WrappedStateStore;

/**
 * A store of records that are replaced often: they are kept as objects, and only the last one is
 * encoded and written, to the disk and the changelog, when the transaction commits. What a
 * transaction that fails had changed is dropped with it. Those that changed last stay in memory: a
 * record that was written is likely to be asked for, and replaced, soon.
 *
 * <p>Records must not be changed. One thread writes; others may read at any time, single records as
 * they are, iterators as of the last commit.
 *
 * <p>RATIONALE: Kafka's own record cache keeps bytes: a state machine that takes thousands of
 * events between two commits is decoded and encoded for each, and that was most of its time.
 */
final class BusyStore<V> extends WrappedStateStore<KeyValueStore<String, V>, String, V>
    implements KeyValueStore<String, V> {
  /** Changes that wait for the commit: a long transaction writes them in several parts. */
  private static final int CHANGED = 10_000;

  private final int atHand;

  /** Empty: deleted. */
  private final Map<String, Optional<V>> changed = new ConcurrentHashMap<>();

  /** Of those that need no writing: what was touched lately, and what was before that. */
  private volatile Map<String, V> recent = new ConcurrentHashMap<>();

  private volatile Map<String, V> older = new ConcurrentHashMap<>();

  private volatile Thread writer;

  BusyStore(KeyValueStore<String, V> store, int atHand) {
    super(store);
    this.atHand = atHand;
  }

  /**
   * Builds such stores over those of another builder.
   *
   * @param atHand records that a store keeps in memory besides those that are to be written, about
   */
  static <V> StoreBuilder<KeyValueStore<String, V>> over(
      StoreBuilder<KeyValueStore<String, V>> builder, int atHand) {
    return new WrappingBuilder<>(builder, store -> new BusyStore<>(store, atHand));
  }

  @Override
  public V get(String key) {
    Optional<V> now = changed.get(key);
    if (now != null) {
      return now.orElse(null);
    }
    V known = recent.get(key);
    if (known == null) {
      known = older.get(key);
    }
    return known != null ? known : wrapped().get(key);
  }

  @Override
  public void put(String key, V value) {
    writer = Thread.currentThread();
    changed.put(key, Optional.ofNullable(value));
    if (changed.size() >= CHANGED) {
      writeOut();
    }
  }

  @Override
  public V putIfAbsent(String key, V value) {
    V before = get(key);
    if (before == null) {
      put(key, value);
    }
    return before;
  }

  @Override
  public void putAll(List<KeyValue<String, V>> entries) {
    entries.forEach(entry -> put(entry.key, entry.value));
  }

  @Override
  public V delete(String key) {
    V before = get(key);
    put(key, null);
    return before;
  }

  @Override
  public void flushCache() {
    writeOut();
    super.flushCache();
  }

  /** In the order of the keys, as the disk likes it best. Readers find a record at any time. */
  private void writeOut() {
    if (changed.isEmpty()) {
      return;
    }
    List<KeyValue<String, V>> entries = new ArrayList<>(changed.size());
    changed.forEach((key, value) -> entries.add(KeyValue.pair(key, value.orElse(null))));
    entries.sort(Comparator.comparing(entry -> entry.key));
    wrapped().putAll(entries);
    if (recent.size() > atHand / 2) {
      older = recent;
      recent = new ConcurrentHashMap<>();
    }
    for (KeyValue<String, V> entry : entries) {
      keep(entry.key, entry.value);
    }
    changed.clear();
  }

  private void keep(String key, V value) {
    if (value != null) {
      recent.put(key, value);
    } else {
      recent.remove(key);
      older.remove(key);
    }
  }

  /** What iterators read. */
  private KeyValueStore<String, V> whole() {
    if (Thread.currentThread().equals(writer)) {
      writeOut();
    }
    return wrapped();
  }

  @Override
  public void clearCache() {
    forget();
    super.clearCache();
  }

  @Override
  public void close() {
    forget();
    super.close();
  }

  private void forget() {
    changed.clear();
    recent = new ConcurrentHashMap<>();
    older = new ConcurrentHashMap<>();
  }

  @Override
  public KeyValueIterator<String, V> range(String from, String to) {
    return whole().range(from, to);
  }

  @Override
  public KeyValueIterator<String, V> all() {
    return whole().all();
  }

  @Override
  public <S extends Serializer<P>, P> KeyValueIterator<String, V> prefixScan(
      P prefix, S serializer) {
    return whole().prefixScan(prefix, serializer);
  }

  @Override
  public long approximateNumEntries() {
    return wrapped().approximateNumEntries();
  }
}
