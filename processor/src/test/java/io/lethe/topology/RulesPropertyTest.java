package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.JobKind;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelResult;
import io.lethe.events.RequestCommand;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.Answer;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tuple;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.slf4j.LoggerFactory;

/**
 * Random sequences of what can happen, on the topology and on {@link RulesModel}: after each step
 * both say the same. {@code -Djqwik.tries.default=10000} for a long run.
 */
class RulesPropertyTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final Map<String, Integer> MODELS = Map.of("m1", 1, "m2", 3);
  private static final Set<String> EXACT = Set.of("m2");
  private static final int SUBJECTS = 3;
  private static final int TRAINING_SAMPLES = 100;

  private enum Kind {
    REQUEST,
    REQUEST_CLASSES,
    LINEAGE,
    RELEASED,
    RELEASED_TWICE,
    CANCEL,
    HOLD,
    RESUME,
    EXTEND,
    REPEAT,
    CONFLICT,
    CONFLICT_ELSEWHERE,
    EARLY_HOLD,
    EARLY_CANCEL,
    SOURCE_DELETED,
    GATE_FAILS,
    FAILS,
    LACKS,
    RETRY,
    RETRAIN,
    ANOTHER_ARTIFACT,
    RETIRED,
    MINUTES,
    HOUR
  }

  /** One thing that happens; what the numbers choose depends on the kind. */
  record Step(Kind kind, int which, int samples) {}

  @Provide
  Arbitrary<List<Step>> sequences() {
    Arbitrary<Kind> kinds =
        Arbitraries.frequencyOf(
            Tuple.of(6, Arbitraries.of(Kind.REQUEST, Kind.LINEAGE, Kind.RELEASED)),
            Tuple.of(3, Arbitraries.of(Kind.CANCEL, Kind.HOLD, Kind.RESUME)),
            Tuple.of(
                2,
                Arbitraries.of(
                    Kind.REQUEST_CLASSES,
                    Kind.LACKS,
                    Kind.ANOTHER_ARTIFACT,
                    Kind.RETRY,
                    Kind.RETRAIN,
                    Kind.RELEASED,
                    Kind.HOUR)),
            Tuple.of(2, Arbitraries.of(Kind.class)));
    Arbitrary<Step> steps =
        Combinators.combine(
                kinds, Arbitraries.integers().between(0, 11), Arbitraries.integers().between(1, 7))
            .as(Step::new);
    return steps.list().ofMinSize(1).ofMaxSize(40);
  }

  /** Jobs that wait for a person are an error in a program, and here the point. */
  @BeforeContainer
  static void quiet() {
    ((Logger) LoggerFactory.getLogger("io.lethe.batching")).setLevel(Level.OFF);
  }

  @AfterContainer
  static void loud() {
    ((Logger) LoggerFactory.getLogger("io.lethe.batching")).setLevel(null);
  }

  @Property
  void theTopologyDoesWhatTheRulesSay(@ForAll("sequences") List<Step> steps) throws IOException {
    Path directory = Files.createTempDirectory("lethe-rules");
    try (Run run = new Run(directory)) {
      for (Step step : steps) {
        run.take(step);
        run.compare();
      }
      run.finish();
    } finally {
      delete(directory);
    }
  }

  private static void delete(Path directory) throws IOException {
    try (var files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(file);
      }
    }
  }

  /** One sequence on both. */
  private static final class Run implements AutoCloseable {
    private final TopologyFixture lethe;
    private final RulesModel rules =
        new RulesModel(TopologyFixture.START, MODELS, EXACT, Run::samplesOf);
    private final List<UUID> ids = new ArrayList<>();
    private final List<String> subjects = new ArrayList<>();
    private final Map<UUID, Set<String>> classRequests = new HashMap<>();
    private final Map<String, UnlearningJob> jobs = new HashMap<>();
    private final Map<String, Integer> offers = new HashMap<>();
    private final Map<UUID, ErasureReceipt> receipts = new HashMap<>();
    private final Map<String, String> registered = new HashMap<>();
    private final Set<UUID> denials = new HashSet<>();
    private final Set<UUID> denied = new HashSet<>();
    private final Set<UUID> begunElsewhere = new HashSet<>();
    private final Set<UUID> finishedElsewhere = new HashSet<>();
    private final Map<String, String> anchors = new HashMap<>();
    private int artifacts;

    Run(Path directory) {
      lethe = TopologyFixture.unsigned(directory);
      for (String id : new TreeSet<>(MODELS.keySet())) {
        register(id, MODELS.get(id));
        play(lethe.onlyJob());
      }
    }

    private void register(String model, int maxRequests) {
      UnlearningPolicy policy =
          UnlearningPolicy.newBuilder(TopologyFixture.policy(maxRequests, YEAR))
              .setFolds(0)
              .setMaxErasedShare(1)
              .setMaxErosion(1)
              .setCompletion(
                  EXACT.contains(model) ? CompletionStage.EXACT : CompletionStage.UNLEARNED)
              .build();
      String artifact = registered.getOrDefault(model, TopologyFixture.SHA);
      lethe.register(lethe.registration(model, "d", policy, artifact).setRecipe("{}").build());
    }

    void take(Step step) {
      String subject = "p" + step.which() % SUBJECTS;
      String model = step.which() % 2 == 0 ? "m1" : "m2";
      switch (step.kind()) {
        case REQUEST -> {
          UUID id = new UUID(0, ids.size());
          ids.add(id);
          subjects.add(subject);
          lethe.requestAt(id, subject, TopologyFixture.START);
          rules.request(id, subject);
        }
        case REQUEST_CLASSES -> {
          UUID id = new UUID(0, ids.size());
          Set<String> classes = step.which() < 6 ? Set.of("0") : Set.of("1", "9");
          ids.add(id);
          subjects.add(id.toString());
          classRequests.put(id, classes);
          requestClasses(id, TopologyFixture.START);
          rules.requestClasses(id, classes);
        }
        case LINEAGE -> {
          Set<String> samples = samples(subject, step.samples());
          lethe.lineage(subject, "d", samples.toArray(String[]::new));
          rules.lineage(subject, samples);
        }
        case SOURCE_DELETED -> {
          lethe.lineageTombstone(subject, "d");
          rules.sourceDeleted(subject);
        }
        case RELEASED, RELEASED_TWICE -> released(model, step.kind() == Kind.RELEASED_TWICE);
        case GATE_FAILS -> {
          outcome(model, Verdict.HOLD);
          rules.gateFails(model);
        }
        case FAILS -> {
          outcome(model, Verdict.FAILED);
          rules.fails(model);
        }
        case LACKS -> lacks(model, step.samples(), step.which() < 6 ? 1 : 2);
        case RETRY -> {
          lethe.modelCommand(model, ModelCommandKind.RETRY);
          rules.retry(model);
        }
        case RETRAIN -> {
          lethe.modelCommand(model, ModelCommandKind.RETRAIN);
          rules.retrain(model);
        }
        case ANOTHER_ARTIFACT -> {
          registered.put(model, "%064x".formatted(++artifacts));
          anchors.put(model, registered.get(model));
          register(model, MODELS.get(model));
          rules.register(model);
        }
        case RETIRED -> {
          lethe.retire(model);
          rules.retire(model);
        }
        case MINUTES -> advance(Duration.ofMinutes(11));
        case HOUR -> advance(Duration.ofMinutes(61));
        case EARLY_HOLD -> {
          early(RequestCommand.HOLD);
          rules.early(rules::hold);
        }
        case EARLY_CANCEL -> {
          early(RequestCommand.CANCEL);
          rules.early(rules::cancel);
        }
        case CANCEL, HOLD, RESUME, EXTEND, REPEAT, CONFLICT, CONFLICT_ELSEWHERE -> {
          if (!ids.isEmpty()) {
            onRequest(step.kind(), step.which() % ids.size());
          }
        }
      }
    }

    private void onRequest(Kind kind, int index) {
      UUID id = ids.get(index);
      String key = subjects.get(index);
      switch (kind) {
        case CANCEL -> {
          lethe.command(id, key, RequestCommand.CANCEL);
          assertAnswered(id, rules.cancel(id));
        }
        case HOLD -> {
          lethe.command(id, key, RequestCommand.HOLD);
          assertAnswered(id, rules.hold(id));
        }
        case RESUME -> {
          lethe.command(id, key, RequestCommand.RELEASE);
          assertAnswered(id, rules.resume(id));
        }
        case EXTEND -> {
          lethe.command(id, key, RequestCommand.EXTEND, "complex", null);
          assertAnswered(id, rules.extend(id));
        }
        case REPEAT -> again(id, key, TopologyFixture.START);
        case CONFLICT -> {
          again(id, key, TopologyFixture.START.minusSeconds(1));
          rules.conflicts.add(id);
        }
        case CONFLICT_ELSEWHERE -> {
          boolean begun = index % 2 == 0;
          conflictElsewhere(id, begun);
          rules.conflicts.add(id);
          if (begun) {
            begunElsewhere.add(id);
          }
        }
        default -> throw new IllegalStateException();
      }
    }

    private void assertAnswered(UUID id, Answer answer) {
      assertThat(lethe.lastAnswer(id).getAnswer()).as("answer").isEqualTo(answer);
    }

    private void again(UUID id, String key, Instant receivedAt) {
      if (classRequests.containsKey(id)) {
        requestClasses(id, receivedAt);
      } else {
        lethe.requestAt(id, key, receivedAt);
      }
    }

    private void requestClasses(UUID id, Instant receivedAt) {
      lethe.requestClasses(
          id, receivedAt, "d", List.of(), classRequests.get(id).toArray(String[]::new));
    }

    /** The dataset has a sample of each subject in class 0 and 1, and no class 9. */
    private static Set<String> samplesOf(String label) {
      Set<String> samples = new TreeSet<>();
      for (int subject = 0; subject < SUBJECTS && !label.equals("9"); subject++) {
        samples.add("p" + subject + "-" + label);
      }
      return samples;
    }

    /** A command on the request that comes next, under its id. */
    private void early(RequestCommand command) {
      UUID next = new UUID(0, ids.size());
      lethe.command(next, next.toString(), command);
    }

    /**
     * What another partition and its models report on a request under the same id.
     *
     * @param begun whether the model had begun with it before it was taken back
     */
    private void conflictElsewhere(UUID id, boolean begun) {
      RequestEvent.Builder event =
          RequestEvent.newBuilder()
              .setRequestId(id)
              .setFingerprint(ByteBuffer.wrap(new byte[] {1}))
              .setModels(List.of("m1"))
              .setIntakePartition(1)
              .setReceivedAt(TopologyFixture.START)
              .setAt(TopologyFixture.START);
      lethe.intakeEvent(event.setKind(RequestEventKind.ACCEPTED).build());
      lethe.batchingEvents(
          event
              .setKind(begun ? RequestEventKind.UNLEARNED : RequestEventKind.WITHDRAWN)
              .setCommand(RequestCommand.CANCEL)
              .setModelId("m1")
              .setModelResult(
                  begun
                      ? new ModelResult("m1", 9L, "c".repeat(64), 1, TopologyFixture.START, null)
                      : null)
              .build());
    }

    private void readReceipts() {
      for (ErasureReceipt receipt : lethe.receipts()) {
        UUID taken = receipt.getSentAs().orElse(null);
        if (taken == null) {
          assertThat(receipts.put(receipt.getRequestId(), receipt)).as("a second receipt").isNull();
        } else {
          boolean completed = receipt.getStatus() == RequestStatus.COMPLETED;
          assertThat(receipt.getModels())
              .as("models that had begun with it")
              .extracting(ModelResult::getModelId)
              .isEqualTo(completed ? List.of("m1") : List.of());
          if (completed) {
            finishedElsewhere.add(taken);
          } else {
            assertThat(receipt.getStatus()).isEqualTo(RequestStatus.DENIED);
          }
          assertThat(denials.add(receipt.getRequestId())).as("a second denial").isTrue();
          denied.add(taken);
        }
      }
      assertThat(denied).as("ids that were taken").isEqualTo(rules.conflicts);
      assertThat(finishedElsewhere)
          .as("those of which a model had begun with the other request")
          .isEqualTo(begunElsewhere);
    }

    private void released(String model, boolean twice) {
      readJobs();
      UnlearningJob job = jobs.get(model);
      if (job != null) {
        if (rules.models.get(model).phase == Phase.RETRAINING) {
          anchors.put(model, retrainedBy(job));
        }
        play(job);
        if (twice) {
          play(job);
        }
      }
      rules.release(model);
    }

    private void play(UnlearningJob job) {
      Map<String, List<String>> classes = new TreeMap<>();
      RulesModel.Model model = rules.models.get(job.getModelId());
      job.getClasses()
          .forEach(label -> classes.put(label, List.copyOf(rules.resolved(model, label))));
      if (job.getKind() == JobKind.ANCHOR) {
        lethe.snapshot(job, TopologyFixture.diagonal(TRAINING_SAMPLES, 10f, 20f, 30f));
        lethe.outcome(job, Verdict.RELEASE);
      } else if (job.getKind() == JobKind.RETRAIN) {
        lethe.retrained(job, retrainedBy(job), classes);
      } else {
        lethe.unlearned(job, classes);
      }
    }

    /** Digest of the model that a job trained. */
    private static String retrainedBy(UnlearningJob job) {
      return job.getJobId().toString().replace("-", "").repeat(2);
    }

    private void outcome(String model, Verdict verdict) {
      readJobs();
      UnlearningJob job = jobs.get(model);
      if (job != null) {
        lethe.outcome(job, verdict);
      }
    }

    /** The dataset lacks some samples of the job, one of them named by no request. */
    private void lacks(String model, int mask, int deliveries) {
      readJobs();
      UnlearningJob job = jobs.get(model);
      Set<String> unknown = new TreeSet<>(Set.of("p0-nowhere"));
      if (job != null) {
        List<String> named = job.getSampleIds();
        IntStream.range(0, named.size())
            .filter(index -> (mask & (1 << index % 3)) != 0)
            .forEach(index -> unknown.add(named.get(index)));
        for (int i = 0; i < deliveries; i++) {
          lethe.lacks(job, unknown);
        }
      }
      rules.lacks(model, unknown);
    }

    private void advance(Duration duration) {
      lethe.advance(duration);
      rules.advance(duration);
    }

    private static Set<String> samples(String subject, int mask) {
      Set<String> samples = new TreeSet<>();
      for (int bit = 0; bit < 3; bit++) {
        if ((mask & (1 << bit)) != 0) {
          samples.add(subject + "-" + bit);
        }
      }
      return samples;
    }

    private void readJobs() {
      for (UnlearningJob job : lethe.jobs()) {
        jobs.put(job.getModelId(), job);
        offers.merge(job.getModelId(), 1, Integer::sum);
      }
    }

    void compare() {
      readJobs();
      readReceipts();
      rules.models.forEach(this::compare);
      rules.requests.forEach(
          (id, request) -> {
            assertThat(lethe.requestState(id).getStatus()).as("status").isEqualTo(request.status);
            assertThat(receipts.containsKey(id)).as("has a receipt").isEqualTo(request.ended());
            assertThat(setAside(id)).as("models that set it aside").isEqualTo(rules.setAside(id));
            if (request.ended()) {
              compare(receipts.get(id), request);
            }
          });
      assertThat(rules.requests.keySet()).as("requests").containsAll(receipts.keySet());
    }

    /** Models that have set a request aside, as its status says. */
    private Set<String> setAside(UUID id) {
      return lethe.requestState(id).getProgress().stream()
          .filter(progress -> progress.getReason().equals(Optional.of("unknown_samples")))
          .map(ModelProgress::getModelId)
          .collect(Collectors.toCollection(TreeSet::new));
    }

    private static void compare(ErasureReceipt receipt, RulesModel.Request request) {
      assertThat(receipt.getStatus()).as("its status").isEqualTo(request.status);
      assertThat(receipt.getWithdrawnModels()).as("withdrawn").hasSize(request.withdrawn);
      assertThat(receipt.getRetiredModels()).as("retired").hasSize(request.retired);
      assertThat(receipt.getModels())
          .as("models that have forgotten")
          .hasSizeGreaterThanOrEqualTo(request.done)
          .hasSizeLessThanOrEqualTo(request.done + request.retired);
    }

    private void compare(String id, RulesModel.Model model) {
      ModelState state = lethe.model(id);
      assertThat(state.getPhase()).as("phase of " + id).isEqualTo(model.phase);
      assertThat(state.getPendingRequests()).as("pending").isEqualTo(model.pending.size());
      assertThat(state.getPendingSamples()).as("their samples").isEqualTo(model.pendingSamples());
      assertThat(state.getRequestsSetAside()).as("set aside").isEqualTo(model.aside.size());
      assertThat(state.getErasedSamples()).as("erased").isEqualTo(model.erased.size());
      assertThat(offers.getOrDefault(id, 0)).as("offers").isEqualTo(model.offers);
      assertThat(state.getAwaitingExact()).as("quarantined").isEqualTo(model.quarantined.size());
      assertThat(state.getExcludedSamples()).as("excluded").isEqualTo(model.excluded.size());
      if (model.phase == Phase.RETIRED || model.running == Phase.ANCHORING) {
        return; // no sums yet, or no longer
      }
      if (model.phase != Phase.COLLECTING) {
        assertThat(jobs.get(id).getSampleIds())
            .as("forget set")
            .containsExactlyElementsOf(model.job);
        assertThat(jobs.get(id).getClasses())
            .as("classes to forget")
            .containsExactlyElementsOf(model.jobClasses);
      }
      assertThat(
              lethe
                  .sums(id, anchors.getOrDefault(id, TopologyFixture.SHA))
                  .orElseThrow()
                  .retained()
                  .samples())
          .as("retained")
          .isEqualTo(TRAINING_SAMPLES - model.erased.size());
    }

    /** Lets everything come to its end: then every request has its one receipt. */
    void finish() {
      for (int i = 0; i < ids.size(); i++) {
        onRequest(Kind.RESUME, i);
      }
      advance(Duration.ofMinutes(11));
      compare();
      for (String model : MODELS.keySet()) {
        if (rules.models.get(model).isLive()) {
          register(model, 1);
        }
      }
      settle();
      MODELS.keySet().forEach(id -> lethe.modelCommand(id, ModelCommandKind.RETRAIN));
      settle();
      readReceipts();
      assertThat(receipts.keySet()).containsExactlyInAnyOrderElementsOf(rules.requests.keySet());
    }

    private void settle() {
      for (int round = 0; round < 6; round++) {
        for (String model : MODELS.keySet()) {
          lethe.modelCommand(model, ModelCommandKind.RETRY);
          readJobs();
          if (jobs.containsKey(model)) {
            play(jobs.get(model));
          }
        }
      }
    }

    @Override
    public void close() {
      lethe.close();
    }
  }
}
