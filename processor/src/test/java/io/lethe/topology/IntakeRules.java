package io.lethe.topology;

import io.lethe.events.RequestStatus;
import io.lethe.state.Answer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * What the rules say, in the simplest form: no partitions, no stores, no events. Here of requests:
 * whom they concern, and what follows from them later; {@link BatchingRules} says what a model does
 * with them. Models were all trained on one dataset and have a recipe; batches fire on count only,
 * retrainings on demand.
 */
final class IntakeRules {
  final Map<String, BatchingRules> models = new TreeMap<>();
  final Map<UUID, TrackedRequest> requests = new TreeMap<>(Comparator.comparing(UUID::toString));

  /** Requests under whose id another one came. */
  final Set<UUID> conflicts = new HashSet<>();

  private final Map<String, Set<String>> lineage = new TreeMap<>();
  private final List<Consumer<UUID>> early = new ArrayList<>();
  private Instant earlyUntil;
  private Instant now;

  /**
   * @param samplesOf what the dataset has of a class
   */
  IntakeRules(
      Instant start,
      Map<String, BatchingRules.Policy> policies,
      Function<String, Set<String>> samplesOf) {
    now = start;
    policies.forEach(
        (id, policy) -> models.put(id, new BatchingRules(policy, start, requests, samplesOf)));
  }

  // Requests.

  void request(UUID id, String subject) {
    request(id, new TrackedRequest(subject, Set.of(), now));
  }

  void requestClasses(UUID id, Set<String> classes) {
    request(id, new TrackedRequest(null, classes, now));
  }

  private void request(UUID id, TrackedRequest request) {
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
    Set<String> samples = samples(request);
    List<BatchingRules> live = live();
    if (!(samples.isEmpty() && request.classes.isEmpty()) && !live.isEmpty()) {
      request.waiting = false;
      request.binding = true;
      accept(id, request, samples, live);
    }
  }

  private Set<String> samples(TrackedRequest request) {
    return request.subject == null ? Set.of() : lineage.getOrDefault(request.subject, Set.of());
  }

  private static void accept(
      UUID id, TrackedRequest request, Set<String> samples, List<BatchingRules> asked) {
    request.models = asked.size();
    asked.forEach(model -> model.add(new BatchingRules.Task(id, samples, request.classes)));
  }

  private List<BatchingRules> live() {
    return models.values().stream().filter(BatchingRules::isLive).toList();
  }

  /** The models that have set the request aside. */
  Set<String> setAside(UUID id) {
    Set<String> found = new TreeSet<>(models.keySet());
    found.removeIf(model -> !models.get(model).hasSetAside(id));
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
      follow(id, request, samples(request), live());
    }
    return answer(granted, request);
  }

  /** Once, and not after the end: the due date is far off. */
  Answer extend(UUID id) {
    TrackedRequest request = requests.get(id);
    if (request.isGone() || request.extended) {
      return Answer.REFUSED;
    }
    request.extended = true;
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

  void lineage(String subject, Set<String> samples) {
    Set<String> fresh = new TreeSet<>(samples);
    fresh.removeAll(lineage.getOrDefault(subject, Set.of()));
    lineage.put(subject, samples);
    if (!fresh.isEmpty()) {
      boolean served = false;
      for (var entry : List.copyOf(requests.entrySet())) {
        TrackedRequest request = entry.getValue();
        if (subject.equals(request.subject) && request.binding) {
          if (request.held) {
            request.missed = true;
          } else if (!served) {
            served = true;
            follow(entry.getKey(), request, fresh, live());
          }
        }
      }
    }
    for (var entry : List.copyOf(requests.entrySet())) {
      TrackedRequest request = entry.getValue();
      if (subject.equals(request.subject) && request.waiting && !request.held) {
        resolve(entry.getKey(), request);
      }
    }
  }

  void sourceDeleted(String subject) {
    lineage.remove(subject);
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
    for (var entry : bySubject()) {
      TrackedRequest request = entry.getValue();
      Set<String> samples = samples(request);
      boolean ofClasses = request.subject == null;
      boolean asked = !ofClasses && served.contains(request.subject);
      if (request.binding && !asked && (ofClasses || !samples.isEmpty())) {
        if (request.held) {
          request.missed = true;
        } else {
          if (!ofClasses) {
            served.add(request.subject);
          }
          follow(entry.getKey(), request, samples, List.of(model));
        }
      }
    }
    for (var entry : bySubject()) {
      if (entry.getValue().waiting && !entry.getValue().held) {
        resolve(entry.getKey(), entry.getValue());
      }
    }
  }

  /** Those for classes come first. */
  private List<Map.Entry<UUID, TrackedRequest>> bySubject() {
    return requests.entrySet().stream()
        .sorted(
            Comparator.comparing(
                entry -> entry.getValue().subject == null ? "" : entry.getValue().subject))
        .toList();
  }

  /** Asks models by a request of its own for what came after the original. */
  private void follow(
      UUID original, TrackedRequest request, Set<String> samples, List<BatchingRules> asked) {
    if ((samples.isEmpty() && request.classes.isEmpty()) || asked.isEmpty()) {
      return;
    }
    request.followUps++;
    String holder = request.subject == null ? "CLASS\u0000d" : "SUBJECT\u0000" + request.subject;
    String key = holder + "\u0000" + original;
    String name = "follow-up\u0000" + key + "\u0000" + request.followUps;
    UUID id = UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
    TrackedRequest followUp = new TrackedRequest(request.subject, request.classes, now);
    requests.put(id, followUp);
    accept(id, followUp, samples, asked);
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
