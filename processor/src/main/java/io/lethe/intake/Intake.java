package io.lethe.intake;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelRegistered;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.ErasureTask;
import io.lethe.state.IntakeRequest;
import io.lethe.state.Lineage;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * The rules of intake for one partition of data subjects.
 *
 * <p>A request is resolved against the lineage of its subject and the models that were trained on
 * those datasets. What resolves to nothing waits for the grace period: lineage and models may
 * arrive after the request.
 */
final class Intake {
  private static final char SEPARATOR = '\u0000';

  private final IntakeSettings settings;
  private final ProcessorContext<String, IntakeOutput> context;
  private final KeyValueStore<String, ModelRegistered> models;
  private final KeyValueStore<String, Lineage> lineage;
  private final KeyValueStore<String, IntakeRequest> requests;
  private final KeyValueStore<String, DeletionRequest> waiting;

  Intake(IntakeSettings settings, ProcessorContext<String, IntakeOutput> context) {
    this.settings = settings;
    this.context = context;
    models = context.getStateStore(IntakeStores.MODELS_STORE);
    lineage = context.getStateStore(IntakeStores.LINEAGE_STORE);
    requests = context.getStateStore(IntakeStores.REQUESTS_STORE);
    waiting = context.getStateStore(IntakeStores.WAITING_STORE);
  }

  void onRequest(DeletionRequest request) {
    String requestId = request.getRequestId().toString();
    byte[] fingerprint = fingerprint(request);
    IntakeRequest seen = requests.get(requestId);
    if (seen != null) {
      if (!MessageDigest.isEqual(bytes(seen.getFingerprint()), fingerprint)) {
        throw new InvalidRequestException(
            "a request with this requestId and other content was seen before");
      }
      return; // the first one's status stands
    }
    requests.put(
        requestId,
        IntakeRequest.newBuilder()
            .setFingerprint(ByteBuffer.wrap(fingerprint))
            .setSeenAt(now())
            .build());
    if (!isValid(request.getSelector())) {
      deny(request, "invalid");
      return;
    }
    if (!resolve(request)) {
      waiting.put(waitingKey(request), request);
    }
  }

  void onLineage(LineageKey key, Optional<DatasetLineage> value) {
    String storeKey = key.getSubjectId() + SEPARATOR + key.getDatasetId();
    if (value.isEmpty()) {
      lineage.delete(storeKey);
      return;
    }
    lineage.put(storeKey, new Lineage(value.get().getSampleIds()));
    retry(waitingPrefix(SelectorKind.SUBJECT, key.getSubjectId()));
  }

  void onModel(ModelRegistered model) {
    models.put(model.getModelId(), model);
    retry("");
  }

  /** Denies what has waited for longer than the grace period. */
  void onTick() {
    Instant before = now().minus(settings.grace());
    List<DeletionRequest> expired = new ArrayList<>();
    try (KeyValueIterator<String, DeletionRequest> all = waiting.all()) {
      all.forEachRemaining(
          entry -> {
            IntakeRequest seen = requests.get(entry.value.getRequestId().toString());
            if (!seen.getSeenAt().isAfter(before)) {
              expired.add(entry.value);
            }
          });
    }
    for (DeletionRequest request : expired) {
      waiting.delete(waitingKey(request));
      deny(request, "no_match");
    }
  }

  private void retry(String prefix) {
    List<DeletionRequest> candidates = new ArrayList<>();
    try (KeyValueIterator<String, DeletionRequest> found =
        waiting.prefixScan(prefix, new StringSerializer())) {
      found.forEachRemaining(entry -> candidates.add(entry.value));
    }
    for (DeletionRequest request : candidates) {
      if (resolve(request)) {
        waiting.delete(waitingKey(request));
      }
    }
  }

  /** Emits the request's tasks; false when no model holds any of its samples. */
  private boolean resolve(DeletionRequest request) {
    Map<String, List<String>> samplesByModel = samplesByModel(request);
    if (samplesByModel.isEmpty()) {
      return false;
    }
    Instant dueAt =
        request
            .getDueAt()
            .orElseGet(() -> DueDates.dueAt(request.getRegulation(), request.getReceivedAt()));
    // Acceptance first: tracking must know the request before any model reports on it.
    emit(
        RequestEvent.newBuilder()
            .setRequestId(request.getRequestId())
            .setKind(RequestEventKind.ACCEPTED)
            .setRegulation(request.getRegulation())
            .setModels(List.copyOf(samplesByModel.keySet()))
            .setReceivedAt(request.getReceivedAt())
            .setDueAt(dueAt)
            .setAt(now())
            .build());
    samplesByModel.forEach(
        (modelId, sampleIds) ->
            context.forward(
                new Record<>(
                    modelId,
                    new IntakeOutput.Task(
                        ErasureTask.newBuilder()
                            .setRequestId(request.getRequestId())
                            .setModelId(modelId)
                            .setSampleIds(sampleIds)
                            .setReceivedAt(request.getReceivedAt())
                            .setDueAt(dueAt)
                            .build()),
                    context.currentSystemTimeMs())));
    return true;
  }

  private Map<String, List<String>> samplesByModel(DeletionRequest request) {
    Selector selector = request.getSelector();
    Map<String, List<String>> samplesByDataset = new TreeMap<>();
    if (selector.getKind() == SelectorKind.SAMPLES) {
      samplesByDataset.put(selector.getDatasetId().orElseThrow(), selector.getSampleIds());
    } else {
      String prefix = selector.getSubjectId().orElseThrow() + SEPARATOR;
      try (KeyValueIterator<String, Lineage> found =
          lineage.prefixScan(prefix, new StringSerializer())) {
        found.forEachRemaining(
            entry ->
                samplesByDataset.put(
                    entry.key.substring(prefix.length()), entry.value.getSampleIds()));
      }
    }
    samplesByDataset.values().removeIf(List::isEmpty);
    if (samplesByDataset.isEmpty()) {
      return Collections.emptyMap();
    }
    Map<String, List<String>> samplesByModel = new TreeMap<>();
    try (KeyValueIterator<String, ModelRegistered> all = models.all()) {
      all.forEachRemaining(
          entry -> {
            List<String> samples = samplesByDataset.get(entry.value.getDatasetId());
            boolean wanted =
                request.getModels().isEmpty() || request.getModels().contains(entry.key);
            if (samples != null && wanted) {
              samplesByModel.put(entry.key, samples);
            }
          });
    }
    return samplesByModel;
  }

  private static boolean isValid(Selector selector) {
    return switch (selector.getKind()) {
      case SUBJECT -> selector.getSubjectId().filter(id -> !id.isEmpty()).isPresent();
      case SAMPLES -> selector.getDatasetId().isPresent() && !selector.getSampleIds().isEmpty();
    };
  }

  private void deny(DeletionRequest request, String reason) {
    emit(
        RequestEvent.newBuilder()
            .setRequestId(request.getRequestId())
            .setKind(RequestEventKind.DENIED)
            .setReason(reason)
            .setRegulation(request.getRegulation())
            .setReceivedAt(request.getReceivedAt())
            .setAt(now())
            .build());
  }

  private void emit(RequestEvent event) {
    context.forward(
        new Record<>(
            event.getRequestId().toString(),
            new IntakeOutput.Event(event),
            context.currentSystemTimeMs()));
  }

  private Instant now() {
    return Instant.ofEpochMilli(context.currentSystemTimeMs());
  }

  private static String waitingKey(DeletionRequest request) {
    Selector selector = request.getSelector();
    String holder =
        selector.getKind() == SelectorKind.SUBJECT
            ? selector.getSubjectId().orElseThrow()
            : selector.getDatasetId().orElseThrow();
    return waitingPrefix(selector.getKind(), holder) + request.getRequestId();
  }

  private static String waitingPrefix(SelectorKind kind, String holder) {
    return kind.name() + SEPARATOR + holder + SEPARATOR;
  }

  private static byte[] fingerprint(DeletionRequest request) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes(request.toByteBuffer()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  private static byte[] bytes(ByteBuffer buffer) {
    byte[] bytes = new byte[buffer.remaining()];
    buffer.duplicate().get(bytes);
    return bytes;
  }
}
