package io.lethe.topology;

import io.lethe.events.RequestStatus;
import io.lethe.state.Answer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Predicate;

/**
 * What the rules say, in the simplest form: no partitions, no stores, no events. Here of requests:
 * whom they concern, and what follows from them later; {@link BatchingRules} says what a model does
 * with them. Models have a recipe; no policy limits what may be lost.
 */
final class IntakeRules {
  final Map<String, BatchingRules> models = new TreeMap<>();
  final Map<UUID, TrackedRequest> requests = new TreeMap<>(Comparator.comparing(UUID::toString));

  /** Requests under whose id another one came. */
  final Set<UUID> conflicts = new HashSet<>();

  /** Samples by subject and dataset. */
  private final Map<List<String>, Set<String>> lineage = new HashMap<>();

  private final List<Consumer<UUID>> early = new ArrayList<>();
  private Instant earlyUntil;
  private Instant now;

  /**
   * @param samplesOf what a dataset has of a class
   */
  IntakeRules(
      Instant start,
      Map<String, RegisteredModel> registrations,
      BiFunction<String, String, Set<String>> samplesOf) {
    now = start;
    registrations.forEach(
        (id, registration) ->
            models.put(
                id,
                new BatchingRules(
                    registration,
                    start,
                    requests,
                    label -> samplesOf.apply(registration.dataset(), label))));
  }

  // Requests.

  void request(UUID id, TrackedRequest.Selected selected) {
    TrackedRequest request = new TrackedRequest(selected, TopologyFixture.START, now);
    requests.put(id, request);
    request.waiting = true;
    resolve(id, request);
    early.forEach(command -> command.accept(id));
    early.clear();
  }

  /** A command on the request that comes next. */
  void early(Consumer<UUID> command) {
    earlyUntil = early.isEmpty() ? now.plus(TopologyFixture.PATIENCE) : earlyUntil;
    early.add(command);
  }

  private void resolve(UUID id, TrackedRequest request) {
    Map<BatchingRules, Set<String>> concerned = concerned(request, live());
    if (!concerned.isEmpty()) {
      request.waiting = false;
      request.binding = true;
      accept(id, request, concerned);
    }
  }

  /** Those of the models that a request is for, each with the samples that it holds. */
  private Map<BatchingRules, Set<String>> concerned(
      TrackedRequest request, List<BatchingRules> models) {
    Map<BatchingRules, Set<String>> concerned = new LinkedHashMap<>();
    for (BatchingRules model : models) {
      TrackedRequest.Selected selected = request.selected;
      boolean itsDataset = selected.holder().equals(model.dataset());
      switch (selected.kind()) {
        case SUBJECT -> {
          Set<String> samples = lineage(selected.holder(), model.dataset());
          if (!samples.isEmpty()) {
            concerned.put(model, samples);
          }
        }
        case SAMPLES -> {
          if (itsDataset) {
            concerned.put(model, selected.names());
          }
        }
        case CLASS -> {
          if (itsDataset) {
            concerned.put(model, Set.of());
          }
        }
      }
    }
    return concerned;
  }

  private Set<String> lineage(String subject, String dataset) {
    return lineage.getOrDefault(List.of(subject, dataset), Set.of());
  }

  private void accept(UUID id, TrackedRequest request, Map<BatchingRules, Set<String>> concerned) {
    request.models = concerned.size();
    Set<String> classes = request.selected.classes();
    concerned.forEach(
        (model, samples) -> model.add(new BatchingRules.Task(id, samples, classes, now)));
  }

  private List<BatchingRules> live() {
    return models.values().stream().filter(BatchingRules::isLive).toList();
  }

  /** The models that have set the request aside. */
  Set<String> setAside(UUID id) {
    Set<String> found = new TreeSet<>(models.keySet());
    found.removeIf(model -> !models.get(model).tasks().aside().containsKey(id));
    return found;
  }

  // Commands on a request.

  Answer cancel(UUID id) {
    TrackedRequest request = requests.get(id);
    if (request.isGone()) {
      return Answer.REFUSED;
    }
    if (request.waiting) {
      request.waiting = false;
      request.status = RequestStatus.CANCELLED;
      return Answer.GRANTED;
    }
    int granted = ask(model -> model.cancel(id));
    request.withdrawn += granted;
    request.conclude();
    return answer(granted, request);
  }

  Answer hold(UUID id) {
    TrackedRequest request = requests.get(id);
    if (request.held || request.isGone()) {
      return Answer.REFUSED;
    }
    if (request.waiting) {
      request.held = true;
      return Answer.GRANTED;
    }
    int granted = ask(model -> model.hold(id));
    request.held = granted > 0; // one that all refuse holds nothing
    return answer(granted, request);
  }

  Answer release(UUID id) {
    TrackedRequest request = requests.get(id);
    if (!request.held || request.isGone()) {
      return Answer.REFUSED;
    }
    request.held = false;
    if (request.waiting) {
      request.since = now;
      resolve(id, request);
      return Answer.GRANTED;
    }
    int granted = ask(model -> model.release(id));
    if (request.binding && request.missed) {
      request.missed = false;
      follow(id, request, concerned(request, live()));
    }
    return answer(granted, request);
  }

  /** Once, within the first month, and not after the end: by two months. */
  Answer extend(UUID id) {
    TrackedRequest request = requests.get(id);
    if (request.isGone() || request.extended || now.isAfter(request.dueAt)) {
      return Answer.REFUSED;
    }
    request.extended = true;
    request.dueAt = TrackedRequest.monthsAfter(request.receivedAt, 3);
    return request.ended() ? Answer.REFUSED : Answer.GRANTED;
  }

  /** How many models grant a command. */
  private int ask(Predicate<BatchingRules> command) {
    int granted = 0;
    for (BatchingRules model : models.values()) {
      granted += command.test(model) ? 1 : 0;
    }
    return granted;
  }

  private static Answer answer(int granted, TrackedRequest request) {
    return granted == 0
        ? Answer.REFUSED
        : granted == request.models ? Answer.GRANTED : Answer.PARTLY;
  }

  // What comes later: a subject stays erased.

  void lineage(String subject, String dataset, Set<String> samples) {
    Set<String> fresh = new TreeSet<>(samples);
    fresh.removeAll(lineage(subject, dataset));
    lineage.put(List.of(subject, dataset), samples);
    if (!fresh.isEmpty()) {
      Map<BatchingRules, Set<String>> unserved = new LinkedHashMap<>();
      live().stream()
          .filter(model -> model.dataset().equals(dataset))
          .forEach(model -> unserved.put(model, fresh));
      for (var entry : List.copyOf(requests.entrySet())) {
        TrackedRequest request = entry.getValue();
        if (request.selected.isOf(subject) && request.binding) {
          if (request.held) {
            request.missed = true;
          } else {
            follow(entry.getKey(), request, new LinkedHashMap<>(unserved));
            unserved.clear();
          }
        }
      }
    }
    for (var entry : List.copyOf(requests.entrySet())) {
      TrackedRequest request = entry.getValue();
      if (request.selected.isOf(subject) && request.waiting && !request.held) {
        resolve(entry.getKey(), request);
      }
    }
  }

  void sourceDeleted(String subject, String dataset) {
    lineage.remove(List.of(subject, dataset));
  }

  /** Registers the model under another artifact, also one that was retired. */
  void register(String modelId) {
    BatchingRules model = models.get(modelId);
    boolean comesBack = !model.isLive();
    model.register();
    if (comesBack) {
      bring(model);
    }
  }

  /** Brings a model together with the requests that came before it. */
  private void bring(BatchingRules model) {
    Set<String> served = new TreeSet<>();
    for (var entry : inOrder()) {
      TrackedRequest request = entry.getValue();
      Map<BatchingRules, Set<String>> concerned = concerned(request, List.of(model));
      String holder = request.selected.holder();
      if (request.binding && !concerned.isEmpty() && !served.contains(holder)) {
        if (request.held) {
          request.missed = true;
        } else {
          if (request.selected.isOf(holder)) {
            served.add(holder); // one request of a subject is enough
          }
          follow(entry.getKey(), request, concerned);
        }
      }
    }
    for (var entry : inOrder()) {
      if (entry.getValue().waiting && !entry.getValue().held) {
        resolve(entry.getKey(), entry.getValue());
      }
    }
  }

  /** By what they select, classes first, then samples. */
  private List<Map.Entry<UUID, TrackedRequest>> inOrder() {
    return requests.entrySet().stream()
        .sorted(Comparator.comparing(entry -> keyOf(entry.getValue())))
        .toList();
  }

  private static String keyOf(TrackedRequest request) {
    return request.selected.kind() + "\u0000" + request.selected.holder() + "\u0000";
  }

  /** Asks models by a request of its own for what came after the original. */
  private void follow(
      UUID original, TrackedRequest request, Map<BatchingRules, Set<String>> concerned) {
    if (concerned.isEmpty()) {
      return;
    }
    request.followUps++;
    String name = "follow-up\u0000" + keyOf(request) + original + "\u0000" + request.followUps;
    UUID id = UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
    TrackedRequest followUp = new TrackedRequest(request.selected, now, now);
    requests.put(id, followUp);
    accept(id, followUp, concerned);
  }

  void advance(Duration duration) {
    now = now.plus(duration);
    if (!early.isEmpty() && !earlyUntil.isAfter(now)) {
      early.clear();
    }
    for (TrackedRequest request : requests.values()) {
      boolean expired = !request.since.plus(TopologyFixture.GRACE).isAfter(now);
      if (request.waiting && !request.held && expired) {
        request.waiting = false;
        request.status = RequestStatus.DENIED;
      }
    }
    models.values().forEach(model -> model.advance(duration));
  }
}
