package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.CompletionStage;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelResult;
import io.lethe.events.RequestCommand;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.Answer;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;

/** One sequence: each step is taken on the topology and by the rules. */
final class RulesRun implements AutoCloseable {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final Map<String, BatchingRules.Policy> MODELS =
      new TreeMap<>(
          Map.of(
              "m1",
              new BatchingRules.Policy(1, false, false, false),
              "m2",
              new BatchingRules.Policy(3, true, true, true)));
  private static final int SUBJECTS = 3;

  private final TopologyFixture lethe;
  private final IntakeRules rules =
      new IntakeRules(TopologyFixture.START, MODELS, RulesRun::samplesOf);
  private final PlayedWorker worker;
  private final RulesComparison comparison;

  /** The requests that were sent, and the key of each. */
  private final List<UUID> ids = new ArrayList<>();

  private final List<String> keys = new ArrayList<>();
  private final Map<UUID, Set<String>> classRequests = new HashMap<>();
  private final Map<String, String> artifacts = new HashMap<>();
  private int newArtifacts;

  RulesRun(Path directory) {
    lethe = TopologyFixture.unsigned(directory);
    worker = new PlayedWorker(lethe, rules);
    comparison = new RulesComparison(lethe, rules, worker);
    for (var model : MODELS.entrySet()) {
      register(model.getKey(), model.getValue().maxRequests());
      worker.play(lethe.onlyJob());
    }
  }

  @Override
  public void close() {
    lethe.close();
  }

  void compare() {
    comparison.compare();
  }

  void take(RulesStep step) {
    String subject = "p" + step.which() % SUBJECTS;
    String model = step.which() % 2 == 0 ? "m1" : "m2";
    switch (step.kind()) {
      case REQUEST -> {
        UUID id = nextRequest(subject);
        lethe.requestAt(id, subject, TopologyFixture.START);
        rules.request(id, subject);
      }
      case REQUEST_CLASSES -> {
        UUID id = nextRequest(new UUID(0, ids.size()).toString());
        Set<String> classes = step.which() < 6 ? Set.of("0") : Set.of("1", "9");
        classRequests.put(id, classes);
        requestClasses(id, TopologyFixture.START);
        rules.requestClasses(id, classes);
      }
      case CANCEL, HOLD, RELEASE, EXTEND, REPEAT, CONFLICT, CONFLICT_ELSEWHERE -> {
        if (!ids.isEmpty()) {
          onRequest(step.kind(), step.which() % ids.size());
        }
      }
      case EARLY_HOLD -> {
        early(RequestCommand.HOLD);
        rules.early(rules::hold);
      }
      case EARLY_CANCEL -> {
        early(RequestCommand.CANCEL);
        rules.early(rules::cancel);
      }
      case LINEAGE -> {
        Set<String> samples = samples(subject, step.mask());
        lethe.lineage(subject, "d", samples.toArray(String[]::new));
        rules.lineage(subject, samples);
      }
      case SOURCE_DELETED -> {
        lethe.lineageTombstone(subject, "d");
        rules.sourceDeleted(subject);
      }
      case ANOTHER_ARTIFACT -> {
        artifacts.put(model, "%064x".formatted(++newArtifacts));
        worker.anchorIs(model, artifacts.get(model));
        register(model, MODELS.get(model).maxRequests());
        rules.register(model);
      }
      case RETIRED -> {
        lethe.retire(model);
        rules.models.get(model).retire();
      }
      case JOB_ARRIVES_IN_PART,
          JOB_ARRIVES_WITHOUT_OUTCOME,
          JOB_RELEASES,
          JOB_RELEASES_TWICE,
          JOB_HOLDS,
          JOB_ESCALATES,
          JOB_FAILS,
          JOB_LACKS_SAMPLES -> {
        if (worker.job(model) != null) {
          endJob(step, model);
        }
      }
      case RETRY -> {
        lethe.modelCommand(model, ModelCommandKind.RETRY);
        rules.models.get(model).retry();
      }
      case RETRAIN -> {
        lethe.modelCommand(model, ModelCommandKind.RETRAIN);
        rules.models.get(model).retrain();
      }
      case MINUTES -> advance(Duration.ofMinutes(11));
      case HOUR -> advance(Duration.ofMinutes(61));
    }
  }

  private void endJob(RulesStep step, String model) {
    switch (step.kind()) {
      case JOB_ARRIVES_IN_PART -> {
        boolean before = step.which() % 4 < 2;
        if (step.which() < 8) {
          worker.fisherArrivesInPart(model, step.mask(), before);
        } else {
          worker.targetsArriveInPart(model, step.mask(), before);
        }
      }
      case JOB_ARRIVES_WITHOUT_OUTCOME -> worker.arrivesWithoutOutcome(model);
      case JOB_RELEASES -> worker.releases(model);
      case JOB_RELEASES_TWICE -> {
        worker.releases(model);
        worker.releasesAgain(model);
      }
      case JOB_HOLDS -> worker.holds(model);
      case JOB_ESCALATES -> worker.escalates(model);
      case JOB_FAILS -> worker.fails(model);
      case JOB_LACKS_SAMPLES -> worker.lacks(model, step.mask(), step.which() < 6 ? 1 : 2);
      default -> throw new IllegalStateException();
    }
  }

  private void onRequest(RulesStep.Kind kind, int index) {
    UUID id = ids.get(index);
    String key = keys.get(index);
    switch (kind) {
      case CANCEL -> {
        lethe.command(id, key, RequestCommand.CANCEL);
        assertAnswered(id, rules.cancel(id));
      }
      case HOLD -> {
        lethe.command(id, key, RequestCommand.HOLD);
        assertAnswered(id, rules.hold(id));
      }
      case RELEASE -> {
        lethe.command(id, key, RequestCommand.RELEASE);
        assertAnswered(id, rules.release(id));
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
          comparison.begunElsewhere(id);
        }
      }
      default -> throw new IllegalStateException();
    }
  }

  private void assertAnswered(UUID id, Answer answer) {
    assertThat(lethe.lastAnswer(id).getAnswer()).as("answer").isEqualTo(answer);
  }

  private UUID nextRequest(String key) {
    UUID id = new UUID(0, ids.size());
    ids.add(id);
    keys.add(key);
    return id;
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

  private static Set<String> samples(String subject, int mask) {
    Set<String> samples = new TreeSet<>();
    for (int bit = 0; bit < 3; bit++) {
      if ((mask & (1 << bit)) != 0) {
        samples.add(subject + "-" + bit);
      }
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

  private void register(String model, int maxRequests) {
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(TopologyFixture.policy(maxRequests, YEAR))
            .setFolds(MODELS.get(model).targets() ? 2 : 0)
            .setLadder(
                MODELS.get(model).retrains()
                    ? List.of("heldout-match", "retrain")
                    : List.of("heldout-match"))
            .setMaxErasedShare(1)
            .setMaxErosion(1)
            .setCompletion(
                MODELS.get(model).exact() ? CompletionStage.EXACT : CompletionStage.UNLEARNED)
            .build();
    String artifact = artifacts.getOrDefault(model, TopologyFixture.SHA);
    lethe.register(lethe.registration(model, "d", policy, artifact).setRecipe("{}").build());
  }

  private void advance(Duration duration) {
    lethe.advance(duration);
    rules.advance(duration);
  }

  /** Lets everything come to its end: then every request has its one receipt. */
  void finish() {
    for (int i = 0; i < ids.size(); i++) {
      onRequest(RulesStep.Kind.RELEASE, i);
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
    comparison.allHaveReceipts();
  }

  private void settle() {
    for (int round = 0; round < 6; round++) {
      for (String model : MODELS.keySet()) {
        lethe.modelCommand(model, ModelCommandKind.RETRY);
        if (worker.job(model) != null) {
          worker.play(worker.job(model));
        }
      }
    }
  }
}
