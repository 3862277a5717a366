package io.lethe.batching;

import io.lethe.state.ModelState;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The artifacts that a model has had, or that were made of it, by their digests: each with the
 * version up to which it knows nothing that was erased, so that an older one is recognised when it
 * comes back. They are no data of a subject and outlive anchors and retirement. In the store of
 * erased samples, where a digest stands in the place of a sample.
 *
 * <p>The version is the lower half of the value; the upper half says whether the dataset had
 * something that the artifact was to forget while it was the anchor.
 */
final class KnownArtifacts {
  /** In the place of an anchor. */
  private static final String HAD = "had";

  private static final long KNEW = 1;

  private final String modelId;
  private final KeyValueStore<String, UUID> store;

  KnownArtifacts(String modelId, KeyValueStore<String, UUID> store) {
    this.modelId = modelId;
    this.store = store;
  }

  /** Whether the artifact is remembered. */
  boolean isKnown(String sha256) {
    return store.get(key(sha256)) != null;
  }

  /**
   * Remembers an artifact unless it is known. One that had something to forget when it was here
   * before may know all that was erased.
   */
  void add(String sha256, long version) {
    UUID known = store.get(key(sha256));
    if (known == null) {
      put(sha256, version);
    } else if (known.getMostSignificantBits() == KNEW) {
      put(sha256, 0);
    }
  }

  /** Remembers an artifact that knows nothing of what was erased up to the version. */
  void put(String sha256, long version) {
    store.put(key(sha256), new UUID(0, version));
  }

  /** Remembers an artifact that knows what another does. */
  void putLike(String other, String sha256) {
    UUID known = store.get(key(other));
    store.put(key(sha256), known == null ? new UUID(0, 0) : known);
  }

  /**
   * Remembers that the dataset had something that the anchor was to forget. As long as it is the
   * anchor nothing changes: all of its jobs are to be held to the same. One that is not known is
   * taken for older in any case.
   */
  void knew(String anchorId) {
    UUID known = store.get(key(anchorId));
    if (known != null) {
      store.put(key(anchorId), new UUID(KNEW, known.getLeastSignificantBits()));
    }
  }

  /**
   * Whether the anchor, which has something to forget that was erased before, is an artifact from
   * before the last time that more was. One that was registered before these were kept may be.
   */
  boolean isReturned(ModelState state) {
    UUID had = store.get(key(state.getAnchorId()));
    return had == null || had.getLeastSignificantBits() < state.getErasedBy();
  }

  /** Whether a key of the store is that of an artifact of the model. */
  boolean isKey(String key) {
    return key.startsWith(key(""));
  }

  private String key(String sha256) {
    return BatchingStores.erasedKey(modelId, HAD, sha256);
  }
}
