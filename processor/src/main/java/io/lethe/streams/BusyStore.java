package io.lethe.streams;

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
 * A store of records that are replaced many times between two commits: they are kept as objects,
 * and only the last one is encoded and written, to the disk and the changelog, when the transaction
 * commits. What a transaction that fails had changed is dropped with it.
 *
 * <p>Records must not be changed. One thread writes; others may read at any time, single records as
 * they are, iterators as of the last commit.
 *
 * <p>RATIONALE: Kafka's own record cache keeps bytes: a state machine that takes thousands of
 * events between two commits is decoded and encoded for each, and that was most of its time.
 */
final class BusyStore<V> extends WrappedStateStore<KeyValueStore<String, V>, String, V>
    implements KeyValueStore<String, V> {
  /** Of those that need no writing; the rest waits for the commit. */
  private static final int KEPT = 4_000;

  /** Empty: deleted. */
  private final Map<String, Optional<V>> changed = new ConcurrentHashMap<>();

  private final Map<String, V> kept = new ConcurrentHashMap<>();

  private volatile Thread writer;

  BusyStore(KeyValueStore<String, V> store) {
    super(store);
  }

  /** Builds such stores over those of another builder. */
  static <V> StoreBuilder<KeyValueStore<String, V>> over(
      StoreBuilder<KeyValueStore<String, V>> builder) {
    return new WrappingBuilder<>(builder, BusyStore::new);
  }

  @Override
  public V get(String key) {
    Optional<V> now = changed.get(key);
    if (now != null) {
      return now.orElse(null);
    }
    V known = kept.get(key);
    return known != null ? known : wrapped().get(key);
  }

  @Override
  public void put(String key, V value) {
    writer = Thread.currentThread();
    changed.put(key, Optional.ofNullable(value));
    kept.remove(key);
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

  private void writeOut() {
    if (kept.size() + changed.size() > KEPT) {
      kept.clear();
    }
    changed.forEach(this::write);
    changed.clear();
  }

  /** What iterators read. */
  private KeyValueStore<String, V> whole() {
    if (Thread.currentThread().equals(writer)) {
      writeOut();
    }
    return wrapped();
  }

  /** Readers find it in one of the three at any time. */
  private void write(String key, Optional<V> value) {
    wrapped().put(key, value.orElse(null));
    value.ifPresent(present -> kept.put(key, present));
  }

  @Override
  public void clearCache() {
    changed.clear();
    kept.clear();
    super.clearCache();
  }

  @Override
  public void close() {
    changed.clear();
    kept.clear();
    super.close();
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
