package io.lethe.batching;

import java.util.List;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * The classes that a model has forgotten whole. Their samples are among the erased ones; that the
 * class itself was meant is remembered too, so that the model goes without it whatever it is
 * trained on next. In the store of erased samples, where an anchor stands in the key of a sample.
 */
final class ErasedClasses {
  /** Since the anchor. */
  private static final String ERASED = "class";

  /** The anchor was trained without them. */
  private static final String EXCLUDED = "class excluded";

  /** Under earlier anchors: this one has yet to forget them. */
  private static final String CARRIED = "class carried";

  private final String modelId;
  private final KeyValueStore<String, UUID> store;

  ErasedClasses(String modelId, KeyValueStore<String, UUID> store) {
    this.modelId = modelId;
    this.store = store;
  }

  /** Whether the current version has forgotten the class, or never knew it. */
  boolean isForgotten(String label) {
    return store.get(key(ERASED, label)) != null || isExcluded(label);
  }

  boolean isExcluded(String label) {
    return store.get(key(EXCLUDED, label)) != null;
  }

  /** Returns whether the class had been set aside. */
  boolean markErased(String label, UUID jobId) {
    store.put(key(ERASED, label), jobId);
    return store.delete(key(CARRIED, label)) != null;
  }

  /** Classes of those set aside, sorted: at least one, at most so many and of so many bytes. */
  List<String> carried(int limit, int maxBytes) {
    return BatchingStores.first(store, key(CARRIED, ""), limit, maxBytes);
  }

  /** Sets all aside for the next anchor; returns how many are new. */
  int carry() {
    return move(ERASED, CARRIED) + move(EXCLUDED, CARRIED);
  }

  /** The next anchor was trained without any of them. */
  void exclude() {
    move(ERASED, EXCLUDED);
    move(CARRIED, EXCLUDED);
  }

  private int move(String from, String to) {
    int moved = 0;
    for (String label : BatchingStores.erased(store, modelId, from)) {
      moved += store.get(key(to, label)) == null ? 1 : 0;
      store.put(key(to, label), store.delete(key(from, label)));
    }
    return moved;
  }

  /** Classes forgotten since the anchor, sorted. */
  static List<String> erased(ReadOnlyKeyValueStore<String, UUID> store, String modelId) {
    return BatchingStores.erased(store, modelId, ERASED);
  }

  /** Classes that the anchor was trained without, sorted. */
  static List<String> excluded(ReadOnlyKeyValueStore<String, UUID> store, String modelId) {
    return BatchingStores.erased(store, modelId, EXCLUDED);
  }

  static List<String> carried(ReadOnlyKeyValueStore<String, UUID> store, String modelId) {
    return BatchingStores.erased(store, modelId, CARRIED);
  }

  private String key(String place, String label) {
    return BatchingStores.erasedKey(modelId, place, label);
  }
}
