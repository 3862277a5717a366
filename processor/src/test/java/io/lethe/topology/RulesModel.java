package io.lethe.topology;

import io.lethe.events.RequestStatus;
import io.lethe.state.Answer;
import io.lethe.state.Phase;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * What the rules say, in the simplest form: no partitions, no stores, no events. Models were all
 * trained on one dataset and have a recipe; batches fire on count only, retrainings on demand.
 */
final class RulesModel {
  private static final Duration JOB_TIMEOUT = Duration.ofHours(1);
  private static final int MAX_ATTEMPTS = 2;

  final Map<String, Model> models = new TreeMap<>();
  final Map<UUID, Request> requests = new TreeMap<>(Comparator.comparing(UUID::toString));

  /** Requests under whose id another one came. */
  final Set<UUID> conflicts = new HashSet<>();

  private final Map<String, Set<String>> lineage = new TreeMap<>();
  private final List<Consumer<UUID>> early = new ArrayList<>();
  private Instant earlyUntil;
  private Instant now;

  /** A request's samples in one model, or the classes that it must forget whole. */
  record Task(UUID id, Set<String> samples, Set<String> classes) {
    boolean ofClasses() {
      return !classes.isEmpty();
    }
  }

  /** What the models' dataset has of a class. */
  private final Function<String, Set<String>> samplesOf;

  static final class Model {
    final int maxRequests;

    /** Whether a request is complete only once the model was trained without its samples. */
    final boolean exact;

    Phase phase = Phase.COLLECTING;
    List<Task> pending = new ArrayList<>();
    List<Task> batch = new ArrayList<>();
    final Map<UUID, Task> held = new LinkedHashMap<>();

    /** Name samples that the dataset lacks. */
    final Map<UUID, Task> aside = new LinkedHashMap<>();

    Set<String> job = Set.of();
    Set<String> jobClasses = Set.of();

    /** Forgotten whole since the anchor, never known by it, and by earlier anchors. */
    final Set<String> erasedClasses = new TreeSet<>();

    final Set<String> excludedClasses = new TreeSet<>();
    final Set<String> carriedClasses = new TreeSet<>();
    final Set<String> erased = new TreeSet<>();
    int offers;
    int failures;
    boolean backingOff;
    Instant heardAt;

    Model(int maxRequests, boolean exact) {
      this.maxRequests = maxRequests;
      this.exact = exact;
    }

    /** Requests that a release served and that wait for a retraining. */
    final List<UUID> quarantined = new ArrayList<>();

    /** What the anchor was trained without. */
    final Set<String> excluded = new TreeSet<>();

    boolean retrainWanted;

    /** Whether requests were taken out of the batch of a job that waits for a person. */
    boolean withdrawn;

    /** What a job that waits for a person goes on with. */
    Phase running = Phase.UNLEARNING;

    /** Erased under earlier anchors, to be forgotten by this one first. */
    final Set<String> carried = new TreeSet<>();

    boolean isRunning() {
      return phase == Phase.UNLEARNING || phase == Phase.ANCHORING || phase == Phase.RETRAINING;
    }

    boolean canRetrain() {
      return !(erased.isEmpty()
          && pending.isEmpty()
          && quarantined.isEmpty()
          && batch.isEmpty()
          && aside.isEmpty());
    }

    boolean isStopped() {
      return phase == Phase.PARKED || phase == Phase.HELD;
    }

    boolean isLive() {
      return phase != Phase.RETIRED;
    }

    void run(Phase next) {
      phase = next;
      running = next;
    }

    /** What was set aside waits again. */
    void again() {
      pending.addAll(aside.values());
      aside.clear();
    }

    int pendingSamples() {
      return pending.stream().mapToInt(task -> task.samples().size()).sum();
    }
  }

  static final class Request {
    /** Null of a request for classes. */
    final String subject;

    final Set<String> classes;
    RequestStatus status = RequestStatus.PENDING;
    boolean waiting;
    boolean held;
    boolean extended;
    boolean binding;
    boolean missed;

    /** Some model has forgotten its samples, if only until it was retired before the retraining. */
    boolean forgotten;

    int followUps;
    int done;
    int withdrawn;
    int retired;
    int models;
    Instant since;

    Request(String subject, Set<String> classes, Instant since) {
      this.subject = subject;
      this.classes = classes;
      this.since = since;
    }

    boolean ended() {
      return status == RequestStatus.COMPLETED
          || status == RequestStatus.CANCELLED
          || status == RequestStatus.DENIED;
    }
  }

  RulesModel(
      Instant start,
      Map<String, Integer> maxRequests,
      Set<String> exact,
      Function<String, Set<String>> samplesOf) {
    now = start;
    this.samplesOf = samplesOf;
    maxRequests.forEach((id, max) -> models.put(id, new Model(max, exact.contains(id))));
  }

  void request(UUID id, String subject) {
    request(id, new Request(subject, Set.of(), now));
  }

  void requestClasses(UUID id, Set<String> classes) {
    request(id, new Request(null, classes, now));
  }

  private void request(UUID id, Request request) {
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

  private void resolve(UUID id, Request request) {
    Set<String> samples = samples(request);
    List<Model> live = live();
    if (!(samples.isEmpty() && request.classes.isEmpty()) && !live.isEmpty()) {
      request.waiting = false;
      request.binding = true;
      accept(id, request, samples, live);
    }
  }

  private Set<String> samples(Request request) {
    return request.subject == null ? Set.of() : lineage.getOrDefault(request.subject, Set.of());
  }

  private void accept(UUID id, Request request, Set<String> samples, List<Model> asked) {
    request.models = asked.size();
    for (Model model : asked) {
      model.pending.add(new Task(id, samples, request.classes));
      fire(model);
    }
  }

  private void fire(Model model) {
    if (model.phase == Phase.COLLECTING && !model.carriedClasses.isEmpty()) {
      start(model, Phase.UNLEARNING, Set.of(), new TreeSet<>(model.carriedClasses));
      return;
    }
    if (model.phase == Phase.COLLECTING && !model.carried.isEmpty()) {
      start(model, Phase.UNLEARNING, new TreeSet<>(model.carried), Set.of());
      return;
    }
    if (model.phase == Phase.COLLECTING && model.retrainWanted && model.canRetrain()) {
      model.retrainWanted = false;
      model.again();
      model.batch = model.pending;
      model.pending = new ArrayList<>();
      start(model, Phase.RETRAINING, batchSamples(model), batchClasses(model));
      begin(model);
      return;
    }
    while (model.phase == Phase.COLLECTING
        && !model.pending.isEmpty()
        && model.pending.size() >= model.maxRequests) {
      takeBatch(model);
      Set<String> samples = batchSamples(model);
      Set<String> classes = batchClasses(model);
      if (samples.isEmpty() && classes.isEmpty()) {
        answer(model, false);
      } else {
        start(model, Phase.UNLEARNING, samples, classes);
        begin(model);
      }
    }
  }

  /** All that wait for samples, or those for classes that stand first. */
  private static void takeBatch(Model model) {
    List<Task> waiting = model.pending;
    int classesFirst = 0;
    while (classesFirst < waiting.size() && waiting.get(classesFirst).ofClasses()) {
      classesFirst++;
    }
    if (classesFirst > 0) {
      model.batch = new ArrayList<>(waiting.subList(0, classesFirst));
      model.pending = new ArrayList<>(waiting.subList(classesFirst, waiting.size()));
    } else {
      model.batch = new ArrayList<>(waiting.stream().filter(task -> !task.ofClasses()).toList());
      model.pending = new ArrayList<>(waiting.stream().filter(Task::ofClasses).toList());
    }
  }

  private static Set<String> batchSamples(Model model) {
    Set<String> samples = new TreeSet<>();
    model.batch.forEach(task -> samples.addAll(task.samples()));
    samples.removeAll(model.erased);
    samples.removeAll(model.excluded);
    return samples;
  }

  private static Set<String> batchClasses(Model model) {
    Set<String> classes = new TreeSet<>();
    model.batch.forEach(task -> classes.addAll(task.classes()));
    classes.removeAll(model.erasedClasses);
    classes.removeAll(model.excludedClasses);
    return classes;
  }

  /** What the worker finds of the job's classes. */
  Set<String> resolved(Model model, String label) {
    Set<String> samples = new TreeSet<>(samplesOf.apply(label));
    samples.removeAll(model.erased);
    samples.removeAll(model.excluded);
    return samples;
  }

  private void begin(Model model) {
    for (Task task : model.batch) {
      Request request = requests.get(task.id());
      if (!request.ended()) {
        request.status = RequestStatus.IN_PROGRESS;
      }
    }
  }

  private void start(Model model, Phase phase, Set<String> samples, Set<String> classes) {
    model.withdrawn = false;
    model.run(phase);
    model.job = samples;
    model.jobClasses = classes;
    model.failures = 0;
    offer(model);
  }

  private void offer(Model model) {
    model.offers++;
    model.backingOff = false;
    model.heardAt = now;
  }

  private void answer(Model model, boolean retrained) {
    List<Task> answered = model.batch;
    model.batch = new ArrayList<>();
    for (Task task : answered) {
      Request request = requests.get(task.id());
      request.status = RequestStatus.IN_PROGRESS;
      request.forgotten = true;
      boolean neverKnown =
          model.excluded.containsAll(task.samples())
              && model.excludedClasses.containsAll(task.classes());
      if (model.exact && !retrained && !neverKnown) {
        model.quarantined.add(task.id());
      } else {
        request.done++;
        conclude(request);
      }
    }
  }

  /** The models that have set the request aside. */
  Set<String> setAside(UUID id) {
    Set<String> found = new TreeSet<>();
    models.forEach(
        (modelId, model) -> {
          if (model.aside.containsKey(id)) {
            found.add(modelId);
          }
        });
    return found;
  }

  private static void conclude(Request request) {
    if (!request.ended() && request.done + request.withdrawn + request.retired == request.models) {
      boolean cancelled = !request.forgotten && request.withdrawn > 0;
      request.status = cancelled ? RequestStatus.CANCELLED : RequestStatus.COMPLETED;
      request.binding &= !cancelled;
    }
  }

  void release(String modelId) {
    Model model = models.get(modelId);
    if (model.phase == Phase.ANCHORING) {
      model.phase = Phase.COLLECTING;
      fire(model);
    } else if (model.phase == Phase.UNLEARNING) {
      forgotten(model);
      model.carried.removeAll(model.erased);
      model.carriedClasses.removeAll(model.erasedClasses);
      model.phase = Phase.COLLECTING;
      answer(model, false);
      fire(model);
    } else if (model.phase == Phase.RETRAINING) {
      forgotten(model);
      answer(model, true);
      for (UUID id : List.copyOf(model.quarantined)) {
        requests.get(id).done++;
        conclude(requests.get(id));
      }
      model.quarantined.clear();
      model.excluded.addAll(model.erased);
      model.excluded.addAll(model.carried);
      model.erased.clear();
      model.carried.clear();
      model.excludedClasses.addAll(model.erasedClasses);
      model.excludedClasses.addAll(model.carriedClasses);
      model.erasedClasses.clear();
      model.carriedClasses.clear();
      anchor(model);
    }
  }

  private void forgotten(Model model) {
    model.jobClasses.forEach(label -> model.erased.addAll(resolved(model, label)));
    model.erased.addAll(model.job);
    model.erasedClasses.addAll(model.jobClasses);
  }

  private void anchor(Model model) {
    model.withdrawn = false;
    model.job = Set.of();
    model.jobClasses = Set.of();
    model.failures = 0;
    model.retrainWanted = false;
    model.run(Phase.ANCHORING);
    offer(model);
  }

  void retrain(String modelId) {
    Model model = models.get(modelId);
    if (!model.isLive() || !model.canRetrain()) {
      return;
    }
    if (model.isStopped()) {
      if (model.running == Phase.UNLEARNING) {
        model.retrainWanted = false;
        withoutWithdrawn(model);
        start(model, Phase.RETRAINING, model.job, model.jobClasses);
        begin(model);
      } else {
        model.retrainWanted |= model.running == Phase.ANCHORING;
        resume(model);
      }
    } else if (model.phase != Phase.RETRAINING) {
      model.retrainWanted = true;
      fire(model);
    }
  }

  void gateFails(String modelId) {
    Model model = models.get(modelId);
    if (model.isRunning()) {
      model.phase = Phase.HELD;
    }
  }

  void fails(String modelId) {
    Model model = models.get(modelId);
    if (model.isRunning() && !model.backingOff) {
      model.failures++;
      if (model.failures >= MAX_ATTEMPTS) {
        model.phase = Phase.PARKED;
      } else {
        model.backingOff = true;
      }
    }
  }

  /** The dataset lacks samples of the job, which cannot be run with the requests that name them. */
  void lacks(String modelId, Set<String> samples) {
    Model model = models.get(modelId);
    if (!model.isRunning()) {
      return;
    }
    List<Task> naming =
        model.batch.stream()
            .filter(task -> !Collections.disjoint(task.samples(), samples))
            .toList();
    if (!naming.isEmpty()) {
      naming.forEach(task -> model.aside.put(task.id(), task));
      model.phase = Phase.PARKED;
      model.backingOff = false;
      naming.forEach(task -> takeOut(model, task.id()));
      resume(model);
    } else if (!model.backingOff) {
      model.phase = Phase.PARKED;
    }
  }

  void retry(String modelId) {
    Model model = models.get(modelId);
    model.again();
    resume(model);
    fire(model);
  }

  private void resume(Model model) {
    if (!model.isStopped()) {
      return;
    }
    withoutWithdrawn(model);
    if (model.running == Phase.UNLEARNING && model.job.isEmpty() && model.jobClasses.isEmpty()) {
      model.phase = Phase.COLLECTING;
      answer(model, false);
      fire(model);
      return;
    }
    model.phase = model.running;
    model.failures = 0;
    offer(model);
  }

  /** The job of what is left of its batch. */
  private static void withoutWithdrawn(Model model) {
    if (model.withdrawn) {
      model.withdrawn = false;
      model.job = batchSamples(model);
      model.jobClasses = batchClasses(model);
    }
  }

  /** Takes a request out of what no job runs with; null: it is not there. */
  private Task takeOut(Model model, UUID id) {
    List<Task> from =
        model.isStopped() && model.batch.stream().anyMatch(task -> task.id().equals(id))
            ? model.batch
            : model.pending;
    Task taken = from.stream().filter(task -> task.id().equals(id)).findFirst().orElse(null);
    from.remove(taken);
    if (taken != null && from == model.batch) {
      model.withdrawn = true;
      boolean needed =
          model.running == Phase.RETRAINING
              && !(model.erased.isEmpty() && model.quarantined.isEmpty());
      if (model.batch.isEmpty() && !needed) {
        model.withdrawn = false;
        model.phase = Phase.COLLECTING;
        fire(model);
      }
    }
    return taken;
  }

  /** Registers the model under another artifact, also one that was retired. */
  void register(String modelId) {
    Model model = models.get(modelId);
    boolean comesBack = !model.isLive();
    model.carried.addAll(model.erased);
    model.carried.addAll(model.excluded);
    model.erased.clear();
    model.excluded.clear();
    model.carriedClasses.addAll(model.erasedClasses);
    model.carriedClasses.addAll(model.excludedClasses);
    model.erasedClasses.clear();
    model.excludedClasses.clear();
    model.again();
    model.batch.addAll(model.pending);
    model.pending = model.batch;
    model.batch = new ArrayList<>();
    model.backingOff = false;
    anchor(model);
    if (comesBack) {
      Set<String> served = new TreeSet<>();
      for (var entry : bySubject()) {
        Request request = entry.getValue();
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
  }

  /** Those for classes come first. */
  private List<Map.Entry<UUID, Request>> bySubject() {
    return requests.entrySet().stream()
        .sorted(
            Comparator.comparing(
                entry -> entry.getValue().subject == null ? "" : entry.getValue().subject))
        .toList();
  }

  void retire(String modelId) {
    Model model = models.get(modelId);
    if (!model.isLive()) {
      return;
    }
    List<Task> open = new ArrayList<>(model.batch);
    open.addAll(model.pending);
    open.addAll(model.held.values());
    open.addAll(model.aside.values());
    model.batch = new ArrayList<>();
    model.pending = new ArrayList<>();
    model.held.clear();
    model.aside.clear();
    model.erased.clear();
    model.carried.clear();
    model.excluded.clear();
    model.erasedClasses.clear();
    model.carriedClasses.clear();
    model.excludedClasses.clear();
    model.retrainWanted = false;
    for (UUID id : List.copyOf(model.quarantined)) {
      requests.get(id).retired++;
      conclude(requests.get(id));
    }
    model.quarantined.clear();
    model.backingOff = false;
    model.phase = Phase.RETIRED;
    for (Task task : open) {
      Request request = requests.get(task.id());
      request.retired++;
      conclude(request);
    }
  }

  /** What a command is answered that this many of those that were asked have granted. */
  private static Answer answer(int granted, int asked) {
    return granted == 0 ? Answer.REFUSED : granted == asked ? Answer.GRANTED : Answer.PARTLY;
  }

  Answer cancel(UUID id) {
    Request request = requests.get(id);
    if (isGone(request)) {
      return Answer.REFUSED;
    }
    if (request.waiting) {
      request.waiting = false;
      request.status = RequestStatus.CANCELLED;
      return Answer.GRANTED;
    }
    int before = request.withdrawn;
    for (Model model : models.values()) {
      boolean taken =
          model.held.remove(id) != null
              || model.aside.remove(id) != null
              || takeOut(model, id) != null;
      request.withdrawn += taken ? 1 : 0;
    }
    int granted = request.withdrawn - before;
    conclude(request);
    return answer(granted, request.models);
  }

  Answer hold(UUID id) {
    Request request = requests.get(id);
    if (request.held || isGone(request)) {
      return Answer.REFUSED;
    }
    if (request.waiting) {
      request.held = true;
      return Answer.GRANTED;
    }
    int granted = 0;
    for (Model model : models.values()) {
      Task aside = model.aside.remove(id);
      Task task = aside != null ? aside : takeOut(model, id);
      if (task != null) {
        model.held.put(id, task);
        granted++;
      }
    }
    request.held = granted > 0; // one that all refuse holds nothing
    return answer(granted, request.models);
  }

  Answer resume(UUID id) {
    Request request = requests.get(id);
    if (!request.held || isGone(request)) {
      return Answer.REFUSED;
    }
    request.held = false;
    if (request.waiting) {
      request.since = now;
      resolve(id, request);
      return Answer.GRANTED;
    }
    int granted = 0;
    for (Model model : models.values()) {
      Task task = model.held.remove(id);
      if (task != null) {
        model.pending.add(task);
        granted++;
        fire(model);
      }
    }
    if (request.binding && request.missed) {
      request.missed = false;
      follow(id, request, samples(request), live());
    }
    return answer(granted, request.models);
  }

  /** Once, and not after the end: the due date is far off. */
  Answer extend(UUID id) {
    Request request = requests.get(id);
    if (isGone(request) || request.extended) {
      return Answer.REFUSED;
    }
    request.extended = true;
    return request.ended() ? Answer.REFUSED : Answer.GRANTED;
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
      Request request = entry.getValue();
      if (subject.equals(request.subject) && request.waiting && !request.held) {
        resolve(entry.getKey(), request);
      }
    }
  }

  void sourceDeleted(String subject) {
    lineage.remove(subject);
  }

  private List<Model> live() {
    return models.values().stream().filter(Model::isLive).toList();
  }

  private void follow(UUID original, Request request, Set<String> samples, List<Model> asked) {
    if ((samples.isEmpty() && request.classes.isEmpty()) || asked.isEmpty()) {
      return;
    }
    request.followUps++;
    String holder = request.subject == null ? "CLASS\u0000d" : "SUBJECT\u0000" + request.subject;
    String key = holder + "\u0000" + original;
    String name = "follow-up\u0000" + key + "\u0000" + request.followUps;
    UUID id = UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8));
    Request followUp = new Request(request.subject, request.classes, now);
    requests.put(id, followUp);
    accept(id, followUp, samples, asked);
  }

  void advance(Duration duration) {
    now = now.plus(duration);
    if (!early.isEmpty() && !earlyUntil.isAfter(now)) {
      early.clear();
    }
    for (Request request : requests.values()) {
      boolean expired = !request.since.plus(TopologyFixture.GRACE).isAfter(now);
      if (request.waiting && !request.held && expired) {
        request.waiting = false;
        request.status = RequestStatus.DENIED;
      }
    }
    for (Model model : models.values()) {
      boolean lost = model.isRunning() && !model.heardAt.plus(JOB_TIMEOUT).isAfter(now);
      if (model.isRunning() && model.backingOff) {
        offer(model);
      } else if (lost) {
        model.failures++; // a lost offer counts as an attempt
        if (model.failures >= MAX_ATTEMPTS) {
          model.phase = Phase.PARKED;
        } else {
          offer(model);
        }
      }
    }
  }
}
