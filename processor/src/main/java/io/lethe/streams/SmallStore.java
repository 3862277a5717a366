package io.lethe.streams;

import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentSkipListMap;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.WrappedStateStore;

/**
 * A store of few and small entries that are read with every event: it is on the disk and in the
 * changelog as any other, and besides held in memory, as objects, from the first access on. Keys
 * are compared by their characters; iterators show what is written while they are open, or not.
 */
final class SmallStore<V> extends WrappedStateStore<KeyValueStore<String, V>, String, V>
    implements KeyValueStore<String, V> {
  private NavigableMap<String, V> entries;

  SmallStore(KeyValueStore<String, V> store) {
    super(store);
  }

  /** Builds such stores over those of another builder. */
  static <V> StoreBuilder<KeyValueStore<String, V>> over(
      StoreBuilder<KeyValueStore<String, V>> builder) {
    return new WrappingBuilder<>(builder, SmallStore::new);
  }

  /** Not at the start: what is there then is still to be restored. */
  private synchronized NavigableMap<String, V> entries() {
    if (entries == null) {
      NavigableMap<String, V> read = new ConcurrentSkipListMap<>();
      try (KeyValueIterator<String, V> all = wrapped().all()) {
        all.forEachRemaining(entry -> read.put(entry.key, entry.value));
      }
      entries = read;
    }
    return entries;
  }

  private synchronized void forget() {
    entries = null;
  }

  @Override
  public V get(String key) {
    return entries().get(key);
  }

  @Override
  public void put(String key, V value) {
    NavigableMap<String, V> all = entries();
    wrapped().put(key, value);
    if (value == null) {
      all.remove(key);
    } else {
      all.put(key, value);
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
  public void putAll(List<KeyValue<String, V>> more) {
    more.forEach(entry -> put(entry.key, entry.value));
  }

  @Override
  public V delete(String key) {
    V before = get(key);
    put(key, null);
    return before;
  }

  @Override
  public KeyValueIterator<String, V> range(String from, String to) {
    NavigableMap<String, V> tail = from == null ? entries() : entries().tailMap(from, true);
    return new Entries<>(to == null ? tail : tail.headMap(to, true));
  }

  @Override
  public KeyValueIterator<String, V> all() {
    return new Entries<>(entries());
  }

  /** Of a string's prefix. */
  @Override
  public <S extends Serializer<P>, P> KeyValueIterator<String, V> prefixScan(
      P prefix, S serializer) {
    String from = prefix.toString();
    if (from.isEmpty()) {
      return all();
    }
    int last = from.length() - 1;
    String end = from.substring(0, last) + (char) (from.charAt(last) + 1);
    return new Entries<>(entries().subMap(from, true, end, false));
  }

  @Override
  public long approximateNumEntries() {
    return entries().size();
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

  private static final class Entries<V> implements KeyValueIterator<String, V> {
    private final Iterator<Map.Entry<String, V>> entries;
    private KeyValue<String, V> next;

    Entries(Map<String, V> entries) {
      this.entries = entries.entrySet().iterator();
    }

    @Override
    public boolean hasNext() {
      if (next == null && entries.hasNext()) {
        Map.Entry<String, V> entry = entries.next();
        next = KeyValue.pair(entry.getKey(), entry.getValue());
      }
      return next != null;
    }

    @Override
    public String peekNextKey() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      return next.key;
    }

    @Override
    public KeyValue<String, V> next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      KeyValue<String, V> entry = next;
      next = null;
      return entry;
    }

    @Override
    public void close() {}
  }
}
