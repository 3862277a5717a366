package io.lethe.intake;

import io.lethe.events.SelectorKind;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.SubjectErasure;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * A subject stays erased: lineage that names samples it did not name before, and models that are
 * registered later on data that still names them, make tasks by themselves. So does a class, for
 * models that are registered later; what a model that has forgotten it is trained on anew, batching
 * takes care of.
 *
 * <p>The first request may have its receipt by then, so these tasks belong to a request of their
 * own, the follow-up, with a due date and a receipt of its own. Its id is derived from the first
 * one's, its subject and a number. What a model is asked to forget a second time it answers without
 * a job.
 *
 * <p>A lineage tombstone says that the source has deleted the samples: models that come later
 * cannot hold them. Lineage after it (a restored backup) counts as new.
 */
final class LateData {
  private static final char SEPARATOR = IntakeStores.SEPARATOR;

  private final IntakeStores stores;
  private final IntakeEmitter emitter;
  private final Resolution resolution;

  LateData(IntakeStores stores, IntakeEmitter emitter, Resolution resolution) {
    this.stores = stores;
    this.emitter = emitter;
    this.resolution = resolution;
  }

  /** Takes what a subject's lineage in a dataset says now beside what it said before. */
  void onLineage(String subjectId, String datasetId, Lineage before, Lineage after) {
    Set<String> known = before == null ? Set.of() : new HashSet<>(before.getSampleIds());
    List<String> fresh =
        after.getSampleIds().stream().filter(id -> !known.contains(id)).distinct().toList();
    if (fresh.isEmpty()) {
      return;
    }
    Set<String> served = new HashSet<>();
    try (KeyValueIterator<String, SubjectErasure> erasures =
        stores.erasures(SelectorKind.SUBJECT.name() + SEPARATOR + subjectId + SEPARATOR)) {
      while (erasures.hasNext()) {
        var entry = erasures.next();
        if (missedInHold(entry.key, entry.value)) {
          continue;
        }
        Map<String, List<String>> samplesByModel = new TreeMap<>();
        resolution.collect(entry.value.getModels(), datasetId, fresh, samplesByModel);
        samplesByModel.keySet().removeIf(modelId -> !served.add(modelId));
        follow(entry.key, entry.value, samplesByModel);
      }
    }
  }

  /**
   * Looks at an accepted request for models that are registered later: one follow-up for all of
   * them that it concerns.
   *
   * @return what that took, at least 1: in look-ups by dataset or in tasks, of which there are more
   */
  int onModels(LateModels later, String key, SubjectErasure erasure) {
    String[] parts = key.split(String.valueOf(SEPARATOR));
    SelectorKind kind = SelectorKind.valueOf(parts[0]);
    Map<String, List<String>> samplesByModel = new TreeMap<>();
    List<LateModels.Late> following = new ArrayList<>();
    int lookUps = 0;
    for (Map.Entry<String, List<LateModels.Late>> of : later.byDataset().entrySet()) {
      List<LateModels.Late> concerned =
          isOf(of.getKey(), kind, parts[1], erasure)
              ? of.getValue().stream()
                  .filter(late -> concerns(erasure, late))
                  .filter(late -> kind != SelectorKind.SUBJECT || !late.served().equals(parts[1]))
                  .toList()
              : List.of();
      if (concerned.isEmpty()) {
        continue;
      }
      lookUps++;
      List<String> samples =
          kind == SelectorKind.SUBJECT
              ? stores.samples(parts[1], of.getKey())
              : erasure.getSampleIds();
      if (!samples.isEmpty() || kind == SelectorKind.CLASS) {
        concerned.forEach(late -> samplesByModel.put(late.modelId(), samples));
        following.addAll(concerned);
      }
    }
    if (!following.isEmpty() && !missedInHold(key, erasure)) {
      follow(key, erasure, samplesByModel);
      if (kind == SelectorKind.SUBJECT) {
        following.forEach(late -> late.serve(parts[1]));
      }
    }
    return Math.max(1, Math.max(lookUps, following.size()));
  }

  private static boolean concerns(SubjectErasure erasure, LateModels.Late late) {
    List<String> named = erasure.getModels();
    return erasure.getEpoch() < late.epoch() && (named.isEmpty() || named.contains(late.modelId()));
  }

  /** Whether the request may be about samples of the dataset. */
  private static boolean isOf(
      String datasetId, SelectorKind kind, String holder, SubjectErasure erasure) {
    return switch (kind) {
      case SUBJECT -> true;
      case SAMPLES -> holder.equals(datasetId);
      case CLASS -> erasure.getDatasets().isEmpty() || erasure.getDatasets().contains(datasetId);
    };
  }

  /**
   * Forgets accepted requests that no longer bind, where that is configured.
   *
   * @param before those that were accepted earlier
   * @param after the key that the last look ended at; null: from the start
   * @param limit how many are looked at
   * @return the key that this look ended at; null: at the end
   */
  String unbind(Instant before, String after, int limit) {
    int left = limit;
    String last = null;
    try (KeyValueIterator<String, SubjectErasure> erasures = stores.erasuresAfter(after)) {
      while (erasures.hasNext() && left > 0) {
        var entry = erasures.next();
        if (entry.value.getBoundAt().isBefore(before)) {
          stores.deleteErasure(entry.key);
        }
        last = entry.key;
        left--;
      }
      return erasures.hasNext() ? last : null;
    }
  }

  /** Makes up for what arrived while a legal hold was on the request. */
  void onRelease(IntakeRequest released) {
    String key = released.getErasureKey().orElse(null);
    SubjectErasure erasure = key == null ? null : stores.erasure(key);
    if (erasure == null || !erasure.getMissed()) {
      return;
    }
    String[] parts = key.split(String.valueOf(SEPARATOR));
    Map<String, List<String>> samplesByModel = new TreeMap<>();
    switch (SelectorKind.valueOf(parts[0])) {
      case SUBJECT -> resolution.collectSubject(erasure.getModels(), parts[1], samplesByModel);
      case SAMPLES ->
          resolution.collect(erasure.getModels(), parts[1], erasure.getSampleIds(), samplesByModel);
      case CLASS ->
          resolution.collectModels(erasure.getModels(), erasure.getDatasets(), samplesByModel);
    }
    SubjectErasure caughtUp = SubjectErasure.newBuilder(erasure).setMissed(false).build();
    stores.putErasure(key, caughtUp);
    follow(key, caughtUp, samplesByModel);
  }

  /** Whether a legal hold is on the request: what it misses is made up for after it. */
  private boolean missedInHold(String key, SubjectErasure erasure) {
    IntakeRequest request = stores.request(original(key)); // null: ended long ago
    boolean held = request != null && request.getHeld();
    if (held && !erasure.getMissed()) {
      stores.putErasure(key, SubjectErasure.newBuilder(erasure).setMissed(true).build());
    }
    return held;
  }

  private static UUID original(String key) {
    return UUID.fromString(key.substring(key.lastIndexOf(SEPARATOR) + 1));
  }

  private void follow(
      String key, SubjectErasure erasure, Map<String, List<String>> samplesByModel) {
    if (samplesByModel.isEmpty()) {
      return;
    }
    UUID original = original(key);
    int number = erasure.getFollowUps() + 1;
    stores.putErasure(key, SubjectErasure.newBuilder(erasure).setFollowUps(number).build());
    Instant now = emitter.now();
    resolution.accept(
        followUpId(key, number),
        IntakeRequest.newBuilder()
            .setFingerprint(Fingerprint.NONE)
            .setSeenAt(now)
            .setStage(IntakeStage.ACCEPTED)
            .setRegulation(erasure.getRegulation())
            .setReceivedAt(now)
            .setDueAt(DueDates.dueAt(erasure.getRegulation(), now))
            .setTrace(emitter.trace())
            .build(),
        samplesByModel,
        erasure.getClasses(),
        original);
  }

  /** By the key, which names the subject: two requests may have come under one id. */
  static UUID followUpId(String key, int number) {
    String name = "follow-up" + SEPARATOR + key + SEPARATOR + number;
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }
}
