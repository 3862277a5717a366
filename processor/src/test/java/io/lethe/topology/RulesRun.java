package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.CompletionStage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelResult;
import io.lethe.events.Regulation;
import io.lethe.events.RequestCommand;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningPolicy;
import io.lethe.state.Answer;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEventKind;
import io.lethe.topology.TrackedRequest.Selected;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.time.Duration;
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
  private static final Map<String, RegisteredModel> MODELS =
      new TreeMap<>(
          Map.of(
              "m1", new RegisteredModel("d", 1, YEAR, false, false, false),
              "m2", new RegisteredModel("d", 3, YEAR, true, true, true),
              "m3", new RegisteredModel("e", 3, Duration.ofHours(2), false, false, false)));
  private static final int SUBJECTS = 3;

  private final TopologyFixture lethe;
  private final IntakeRules rules =
      new IntakeRules(TopologyFixture.START, MODELS, RulesRun::samplesOf);
  private final PlayedWorker worker;
  private final RulesComparison comparison;

  private final List<DeletionRequest> sent = new ArrayList<>();
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
    String dataset = step.which() < 6 ? "d" : "e";
    String model = "m" + (1 + step.which() % MODELS.size());
    switch (step.kind()) {
      case REQUEST -> request(new Selected(SelectorKind.SUBJECT, subject, Set.of()));
      case REQUEST_SAMPLES ->
          request(
              new Selected(SelectorKind.SAMPLES, dataset, samples(dataset, subject, step.mask())));
      case REQUEST_CLASSES ->
          request(
              new Selected(
                  SelectorKind.CLASS,
                  dataset,
                  step.which() % 2 == 0 ? Set.of("0") : Set.of("1", "9")));
      case CANCEL, HOLD, RELEASE, EXTEND, REPEAT, CONFLICT, CONFLICT_ELSEWHERE -> {
        if (!sent.isEmpty()) {
          onRequest(step.kind(), sent.get(step.which() % sent.size()));
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
        Set<String> samples = samples(dataset, subject, step.mask());
        lethe.lineage(subject, dataset, samples.toArray(String[]::new));
        rules.lineage(subject, dataset, samples);
      }
      case SOURCE_DELETED -> {
        lethe.lineageTombstone(subject, dataset);
        rules.sourceDeleted(subject, dataset);
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
      case RELEASE_HELD -> {
        lethe.modelCommand(model, ModelCommandKind.RELEASE);
        rules.models.get(model).releaseHeld();
      }
      case RETRAIN -> {
        lethe.modelCommand(model, ModelCommandKind.RETRAIN);
        rules.models.get(model).retrain();
      }
      case MINUTES -> advance(Duration.ofMinutes(11));
      case HOUR -> advance(Duration.ofMinutes(61));
      case WEEK -> advance(Duration.ofDays(7));
    }
  }

  private void endJob(RulesStep step, String model) {
    switch (step.kind()) {
      case JOB_ARRIVES_IN_PART -> {
        int lost = 1 << step.mask() % 3;
        boolean before = step.which() % 2 == 0;
        if (step.which() < 6) {
          worker.fisherArrivesInPart(model, ~lost, before);
        } else {
          worker.targetsArriveInPart(model, ~lost, before);
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

  private void request(Selected selected) {
    UUID id = new UUID(0, sent.size());
    Selector.Builder selector = Selector.newBuilder().setKind(selected.kind());
    switch (selected.kind()) {
      case SUBJECT -> selector.setSubjectId(selected.holder());
      case SAMPLES ->
          selector.setDatasetId(selected.holder()).setSampleIds(List.copyOf(selected.names()));
      case CLASS ->
          selector.setDatasetId(selected.holder()).setClasses(List.copyOf(selected.names()));
    }
    sent.add(
        DeletionRequest.newBuilder()
            .setRequestId(id)
            .setSelector(selector.build())
            .setRegulation(Regulation.GDPR)
            .setReceivedAt(TopologyFixture.START)
            .build());
    submit(sent.get(sent.size() - 1));
    rules.request(id, selected);
  }

  private void submit(DeletionRequest request) {
    lethe.submit(keyOf(request), request);
  }

  /** Its subject, or its own id. */
  private static String keyOf(DeletionRequest request) {
    return request.getSelector().getSubjectId().orElse(request.getRequestId().toString());
  }

  private void onRequest(RulesStep.Kind kind, DeletionRequest request) {
    UUID id = request.getRequestId();
    String key = keyOf(request);
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
      case REPEAT -> submit(request);
      case CONFLICT -> {
        submit(
            DeletionRequest.newBuilder(request)
                .setReceivedAt(request.getReceivedAt().minusSeconds(1))
                .build());
        rules.conflicts.add(id);
      }
      case CONFLICT_ELSEWHERE -> {
        boolean begun = sent.indexOf(request) % 2 == 0;
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

  /** A dataset has a sample of each subject in class 0 and 1, and no class 9. */
  private static Set<String> samplesOf(String dataset, String label) {
    Set<String> samples = new TreeSet<>();
    for (int subject = 0; subject < SUBJECTS && !label.equals("9"); subject++) {
      samples.add(dataset + "-p" + subject + "-" + label);
    }
    return samples;
  }

  private static Set<String> samples(String dataset, String subject, int mask) {
    Set<String> samples = new TreeSet<>();
    for (int bit = 0; bit < 3; bit++) {
      if ((mask & (1 << bit)) != 0) {
        samples.add(dataset + "-" + subject + "-" + bit);
      }
    }
    return samples;
  }

  /** A command on the request that comes next, under its id. */
  private void early(RequestCommand command) {
    UUID next = new UUID(0, sent.size());
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
        UnlearningPolicy.newBuilder(TopologyFixture.policy(maxRequests, MODELS.get(model).maxAge()))
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
    lethe.register(
        lethe
            .registration(model, MODELS.get(model).dataset(), policy, artifact)
            .setRecipe("{}")
            .build());
  }

  private void advance(Duration duration) {
    lethe.advance(duration);
    rules.advance(duration);
  }

  /** Lets everything come to its end: then every request has its one receipt. */
  void finish() {
    sent.forEach(request -> onRequest(RulesStep.Kind.RELEASE, request));
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
