package io.lethe.topology;

import io.lethe.events.RequestStatus;
import io.lethe.state.Phase;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/**
 * What the rules say, in the simplest form: no partitions, no stores, no events. Models were all
 * trained on one dataset; batches fire on count only.
 */
final class RulesModel {
  private static final Duration JOB_TIMEOUT = Duration.ofHours(1);
  private static final int MAX_ATTEMPTS = 2;

  final Map<String, Model> models = new TreeMap<>();
  final Map<UUID, Request> requests = new TreeMap<>(Comparator.comparing(UUID::toString));
  private final Map<String, Set<String>> lineage = new TreeMap<>();
  private Instant now;

  /** A request's samples in one model. */
  record Task(UUID id, Set<String> samples) {}

  static final class Model {
    final int maxRequests;
    Phase phase = Phase.COLLECTING;
    List<Task> pending = new ArrayList<>();
    List<Task> batch = new ArrayList<>();
    final Map<UUID, Task> held = new LinkedHashMap<>();
    Set<String> job = Set.of();
    final Set<String> erased = new TreeSet<>();
    int offers;
    int failures;
    boolean backingOff;
    Instant heardAt;

    Model(int maxRequests) {
      this.maxRequests = maxRequests;
    }

    int pendingSamples() {
      return pending.stream().mapToInt(task -> task.samples().size()).sum();
    }
  }

  static final class Request {
    final String subject;
    RequestStatus status = RequestStatus.PENDING;
    boolean waiting;
    boolean held;
    boolean binding;
    boolean missed;
    int followUps;
    int done;
    int withdrawn;
    int models;
    Instant since;

    Request(String subject, Instant since) {
      this.subject = subject;
      this.since = since;
    }

    boolean ended() {
      return status == RequestStatus.COMPLETED
          || status == RequestStatus.CANCELLED
          || status == RequestStatus.DENIED;
    }
  }

  RulesModel(Instant start, Map<String, Integer> maxRequests) {
    now = start;
    maxRequests.forEach((id, max) -> models.put(id, new Model(max)));
  }

  void request(UUID id, String subject) {
    Request request = new Request(subject, now);
    requests.put(id, request);
    request.waiting = true;
    resolve(id, request);
  }

  private void resolve(UUID id, Request request) {
    Set<String> samples = lineage.getOrDefault(request.subject, Set.of());
    if (!samples.isEmpty()) {
      request.waiting = false;
      request.binding = true;
      accept(id, request, samples);
    }
  }

  private void accept(UUID id, Request request, Set<String> samples) {
    request.models = models.size();
    models
        .values()
        .forEach(
            model -> {
              model.pending.add(new Task(id, samples));
              fire(model);
            });
  }

  private void fire(Model model) {
    while (model.phase == Phase.COLLECTING
        && !model.pending.isEmpty()
        && model.pending.size() >= model.maxRequests) {
      model.batch = model.pending;
      model.pending = new ArrayList<>();
      Set<String> samples = new TreeSet<>();
      model.batch.forEach(task -> samples.addAll(task.samples()));
      samples.removeAll(model.erased);
      if (samples.isEmpty()) {
        answer(model);
      } else {
        model.phase = Phase.UNLEARNING;
        model.job = samples;
        model.failures = 0;
        offer(model);
        model.batch.forEach(task -> requests.get(task.id()).status = RequestStatus.IN_PROGRESS);
      }
    }
  }

  private void offer(Model model) {
    model.offers++;
    model.backingOff = false;
    model.heardAt = now;
  }

  private void answer(Model model) {
    List<Task> answered = model.batch;
    model.batch = new ArrayList<>();
    for (Task task : answered) {
      Request request = requests.get(task.id());
      request.done++;
      request.status = RequestStatus.IN_PROGRESS;
      conclude(request);
    }
  }

  private static void conclude(Request request) {
    if (!request.ended() && request.done + request.withdrawn == request.models) {
      request.status = request.done == 0 ? RequestStatus.CANCELLED : RequestStatus.COMPLETED;
      request.binding &= request.done > 0;
    }
  }

  void release(String modelId) {
    Model model = models.get(modelId);
    if (model.phase == Phase.UNLEARNING) {
      model.erased.addAll(model.job);
      model.phase = Phase.COLLECTING;
      answer(model);
      fire(model);
    }
  }

  void gateFails(String modelId) {
    Model model = models.get(modelId);
    if (model.phase == Phase.UNLEARNING) {
      model.phase = Phase.HELD;
    }
  }

  void fails(String modelId) {
    Model model = models.get(modelId);
    if (model.phase == Phase.UNLEARNING && !model.backingOff) {
      model.failures++;
      if (model.failures >= MAX_ATTEMPTS) {
        model.phase = Phase.PARKED;
      } else {
        model.backingOff = true;
      }
    }
  }

  void retry(String modelId) {
    Model model = models.get(modelId);
    if (model.phase == Phase.PARKED || model.phase == Phase.HELD) {
      model.phase = Phase.UNLEARNING;
      model.failures = 0;
      offer(model);
    }
  }

  void cancel(UUID id) {
    Request request = requests.get(id);
    if (request.waiting) {
      request.waiting = false;
      request.status = RequestStatus.CANCELLED;
      return;
    }
    for (Model model : models.values()) {
      boolean taken =
          model.held.remove(id) != null | model.pending.removeIf(task -> task.id().equals(id));
      request.withdrawn += taken ? 1 : 0;
    }
    conclude(request);
  }

  void hold(UUID id) {
    Request request = requests.get(id);
    if (request.held || isGone(request)) {
      return;
    }
    request.held = true;
    for (Model model : models.values()) {
      model.pending.stream()
          .filter(task -> task.id().equals(id))
          .forEach(task -> model.held.put(id, task));
      model.pending.removeIf(task -> task.id().equals(id));
    }
  }

  void resume(UUID id) {
    Request request = requests.get(id);
    if (!request.held || isGone(request)) {
      return;
    }
    request.held = false;
    if (request.waiting) {
      request.since = now;
      resolve(id, request);
      return;
    }
    for (Model model : models.values()) {
      Task task = model.held.remove(id);
      if (task != null) {
        model.pending.add(task);
        fire(model);
      }
    }
    if (request.binding && request.missed) {
      request.missed = false;
      follow(id, request, lineage.getOrDefault(request.subject, Set.of()));
    }
  }

  /** Intake has closed it: by a denial, or by a cancel that every model granted. */
  private static boolean isGone(Request request) {
    return request.status == RequestStatus.DENIED || request.status == RequestStatus.CANCELLED;
  }

  void lineage(String subject, Set<String> samples) {
    Set<String> fresh = new TreeSet<>(samples);
    fresh.removeAll(lineage.getOrDefault(subject, Set.of()));
    lineage.put(subject, samples);
    if (!fresh.isEmpty()) {
      boolean served = false;
      for (var entry : List.copyOf(requests.entrySet())) {
        Request request = entry.getValue();
        if (request.subject.equals(subject) && request.binding) {
          if (request.held) {
            request.missed = true;
          } else if (!served) {
            served = true;
            follow(entry.getKey(), request, fresh);
          }
        }
      }
    }
    for (var entry : List.copyOf(requests.entrySet())) {
      Request request = entry.getValue();
      if (request.subject.equals(subject) && request.waiting && !request.held) {
        resolve(entry.getKey(), request);
      }
    }
  }

  void sourceDeleted(String subject) {
    lineage.remove(subject);
  }

  private void follow(UUID original, Request request, Set<String> samples) {
    if (samples.isEmpty()) {
      return;
    }
    request.followUps++;
    String name = "follow-up\u0000" + original + "\u0000" + request.followUps;
    UUID id = UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
    Request followUp = new Request(request.subject, now);
    requests.put(id, followUp);
    accept(id, followUp, samples);
  }

  void advance(Duration duration) {
    now = now.plus(duration);
    for (Request request : requests.values()) {
      boolean expired = !request.since.plus(TopologyFixture.GRACE).isAfter(now);
      if (request.waiting && !request.held && expired) {
        request.waiting = false;
        request.status = RequestStatus.DENIED;
      }
    }
    for (Model model : models.values()) {
      boolean lost =
          model.phase == Phase.UNLEARNING && !model.heardAt.plus(JOB_TIMEOUT).isAfter(now);
      if (model.phase == Phase.UNLEARNING && model.backingOff) {
        offer(model);
      } else if (lost) {
        model.failures++; // a lost offer counts as an attempt
        offer(model);
      }
    }
  }
}
