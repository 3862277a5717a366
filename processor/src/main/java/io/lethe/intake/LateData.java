package io.lethe.intake;

import io.lethe.events.ModelRegistered;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.IntakeRequest;
import io.lethe.state.IntakeStage;
import io.lethe.state.Lineage;
import io.lethe.state.SubjectErasure;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueIterator;

/**
 * A subject stays erased: lineage that names samples it did not name before, and models that are
 * registered later on data that still names them, make tasks by themselves.
 *
 * <p>The first request may have its receipt by then, so these tasks belong to a request of their
 * own, the follow-up, with a due date and a receipt of its own. Its id is derived from the first
 * one's and a number. What a model is asked to forget a second time it answers without a job.
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

  /** From now on the accepted request binds what arrives later. */
  static SubjectErasure erasure(Selector selector, List<String> models, Regulation regulation) {
    return SubjectErasure.newBuilder()
        .setModels(models)
        .setRegulation(regulation)
        .setSampleIds(
            selector.getKind() == SelectorKind.SAMPLES ? selector.getSampleIds() : List.of())
        .build();
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

  /** Takes a model that is registered for the first time, or again after its retirement. */
  void onModel(ModelRegistered model) {
    String served = "";
    try (KeyValueIterator<String, SubjectErasure> erasures = stores.erasures("")) {
      while (erasures.hasNext()) {
        var entry = erasures.next();
        String[] parts = entry.key.split(String.valueOf(SEPARATOR));
        boolean bySubject = parts[0].equals(SelectorKind.SUBJECT.name());
        List<String> models = entry.value.getModels();
        boolean named = models.isEmpty() || models.contains(model.getModelId());
        if (!named || (bySubject && parts[1].equals(served))) {
          continue;
        }
        List<String> samples =
            bySubject
                ? stores.samples(parts[1], model.getDatasetId())
                : parts[1].equals(model.getDatasetId()) ? entry.value.getSampleIds() : List.of();
        if (!samples.isEmpty() && !missedInHold(entry.key, entry.value)) {
          follow(entry.key, entry.value, Map.of(model.getModelId(), samples));
          served = bySubject ? parts[1] : served;
        }
      }
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
    if (parts[0].equals(SelectorKind.SUBJECT.name())) {
      resolution.collectSubject(erasure.getModels(), parts[1], samplesByModel);
    } else {
      resolution.collect(erasure.getModels(), parts[1], erasure.getSampleIds(), samplesByModel);
    }
    SubjectErasure caughtUp = SubjectErasure.newBuilder(erasure).setMissed(false).build();
    stores.putErasure(key, caughtUp);
    follow(key, caughtUp, samplesByModel);
  }

  /** Whether a legal hold is on the request: what it misses is made up for after it. */
  private boolean missedInHold(String key, SubjectErasure erasure) {
    boolean held = stores.request(original(key)).getHeld();
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
        followUpId(original, number),
        IntakeRequest.newBuilder()
            .setFingerprint(ByteBuffer.allocate(0))
            .setSeenAt(now)
            .setStage(IntakeStage.ACCEPTED)
            .setRegulation(erasure.getRegulation())
            .setReceivedAt(now)
            .setDueAt(DueDates.dueAt(erasure.getRegulation(), now))
            .setTrace(emitter.trace())
            .build(),
        samplesByModel,
        original);
  }

  static UUID followUpId(UUID original, int number) {
    String name = "follow-up" + SEPARATOR + original + SEPARATOR + number;
    return UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
  }
}
