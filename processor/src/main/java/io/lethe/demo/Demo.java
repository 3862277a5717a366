package io.lethe.demo;

import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.attestation.SigningKey;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.Evaluation;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.model.LoadedModel;
import io.lethe.privacy.PseudonymKey;
import io.lethe.roles.EmbeddedStack;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.JobSamples;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import io.lethe.unlearning.UnlearningResult;
import io.lethe.unlearning.method.DeepClean;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Plays the main job on a running stack: trains a model, registers it, publishes lineage, lets data
 * subjects ask for erasure in batches, and measures the result against a model that was trained
 * without their samples. Everything between goes through the topics, as any other client would.
 */
public final class Demo {
  private static final String MODEL_ID = "handwriting";
  private static final String DATASET_ID = "handwriting-samples";
  private static final Duration POLL = Duration.ofMillis(100);
  private static final Duration PATIENCE = Duration.ofMinutes(30);
  private static final double NANOS = 1e9;

  private final DemoSettings settings;
  private final DemoData data;
  private final EmbeddedStack stack;
  private final Terminal terminal;
  private final KafkaSettings kafka;
  private final Topics topics;
  private final Clock clock;
  private final PseudonymKey pseudonyms;
  private final Path folder;

  /**
   * @param stack where the demo is played
   * @param folder the stack's data directory
   */
  public Demo(
      DemoSettings settings, DemoData data, EmbeddedStack stack, Path folder, Terminal terminal) {
    this.settings = settings;
    this.data = data;
    this.stack = stack;
    this.terminal = terminal;
    this.kafka = stack.context().getBean(KafkaSettings.class);
    this.topics = stack.context().getBean(Topics.class);
    this.clock = stack.context().getBean(Clock.class);
    this.pseudonyms = PseudonymKey.loadOrCreate(folder.resolve("keys").resolve("pseudonym.key"));
    this.folder = folder;
  }

  /** Plays the demo; shows what happens as it goes. */
  public DemoReport play() throws IOException {
    final long start = System.nanoTime();
    requireFirst();
    SampleDataset train = data.train();
    Map<String, List<String>> lineage = data.lineage();
    terminal.line(
        "1  A model is trained on %s samples of %s people"
            .formatted(Terminal.count(train.size()), Terminal.count(lineage.size())));
    List<String> subjects = new ArrayList<>(lineage.keySet());
    Collections.shuffle(subjects, new Random(settings.seed()));
    List<String> willAsk = subjects.subList(0, settings.subjectsPerBatch() * settings.batches());
    long willErase = willAsk.stream().mapToLong(subject -> lineage.get(subject).size()).sum();
    int[] everyone = IntStream.range(0, train.size()).toArray();
    long began = System.nanoTime();
    ArtifactStore artifacts =
        ArtifactStores.open(ArtifactStores.location(folder.resolve("artifacts").toString()));
    LoadedModel model = trained("training", train, everyone);
    final double trainSeconds = secondsSince(began);
    Artifact artifact = store(model, artifacts);

    try (EventProducer producer = new EventProducer(kafka);
        ServingSubscriber serving =
            new ServingSubscriber(MODEL_ID, model, kafka, topics, artifacts, terminal);
        JobWatch watch = new JobWatch(kafka, topics, terminal)) {
      terminal.line("2  It is registered; a worker sums its squared gradients (the Fisher cache),");
      terminal.line("   and trains models that never saw a fold: what to say about its samples");
      began = System.nanoTime();
      // First: a fold is of whole people, and who a dataset's samples belong to, lineage may say.
      publish(producer, lineage);
      register(producer, artifact, (double) willErase / train.size());
      requireReleased(watch.await(JobKind.ANCHOR, 1, PATIENCE));
      final double anchorSeconds = secondsSince(began);

      List<UUID> requests = new ArrayList<>();
      Set<String> erased = new HashSet<>();
      double unlearnSeconds = 0;
      for (int batch = 1; batch <= settings.batches(); batch++) {
        int from = (batch - 1) * settings.subjectsPerBatch();
        List<String> asking = willAsk.subList(from, from + settings.subjectsPerBatch());
        terminal.line(
            "%d  Batch %d: %d people ask for erasure".formatted(batch + 2, batch, asking.size()));
        began = System.nanoTime();
        for (String subject : asking) {
          requests.add(ask(producer, subject));
          erased.addAll(lineage.get(subject));
        }
        requireReleased(watch.await(JobKind.UNLEARN, batch, PATIENCE));
        awaitReceipts(Set.copyOf(requests));
        serving.awaitVersions(batch, PATIENCE);
        unlearnSeconds += secondsSince(began);
      }

      terminal.line(
          "%d  For comparison, DeepClean, and a model that is trained without them"
              .formatted(settings.batches() + 3));
      int[] forget = positions(train, erased);
      UnlearningResult deepClean =
          deepClean(artifacts.fetch(artifact.uri(), artifact.sha256()), artifact.sha256(), forget);
      began = System.nanoTime();
      Evaluation retrained = retrained(forget);
      double retrainSeconds = secondsSince(began);
      return new DemoReport(
          requests.size(),
          awaitReceipts(Set.copyOf(requests)),
          serving.versions(),
          deepClean,
          retrained,
          new DemoReport.Seconds(
              trainSeconds, anchorSeconds, unlearnSeconds, retrainSeconds, secondsSince(start)),
          stack.context().getBean(SigningKey.class).publicKey().pem());
    }
  }

  private LoadedModel trained(String what, SampleDataset dataset, int[] samples) {
    Recipe recipe = DemoRecipe.recipe(dataset, samples.length, settings.seed());
    LoadedModel model = recipe.init().create(settings.seed());
    new Trainer(recipe.training())
        .train(model, dataset, samples, bar(what, samples.length, recipe.training().epochs()));
    return model;
  }

  private Progress bar(String what, int samples, int epochs) {
    long began = System.nanoTime();
    return (stage, done, total) -> {
      double rate = (double) done / total * samples * epochs / secondsSince(began);
      terminal.progress(what, (double) done / total, Terminal.count(rate) + " samples/s");
    };
  }

  private Artifact store(LoadedModel model, ArtifactStore artifacts) throws IOException {
    Path file = Files.createTempFile(folder, "model", ".params");
    try {
      model.write(file);
      return artifacts.put(file);
    } finally {
      Files.deleteIfExists(file);
    }
  }

  /** A second play into the same data would show the first one's jobs and versions as its own. */
  private void requireFirst() {
    try (TopicReader<String, ModelRegistered> reader = new TopicReader<>(kafka, topics.models())) {
      List<TopicReader.Event<String, ModelRegistered>> events;
      while (!(events = reader.poll(Duration.ofSeconds(1))).isEmpty()) {
        if (events.stream().anyMatch(event -> event.key().equals(MODEL_ID))) {
          throw new IllegalArgumentException(
              "the demo was played into this data directory before: choose another with --data");
        }
      }
    }
  }

  private void register(EventProducer producer, Artifact artifact, double erasedShare) {
    producer
        .send(
            topics.models(),
            MODEL_ID,
            ModelRegistered.newBuilder()
                .setModelId(MODEL_ID)
                .setFormat(ModelFormat.DJL)
                .setArtifactUri(artifact.uri().toString())
                .setArtifactSha256(artifact.sha256())
                .setDatasetId(DATASET_ID)
                .setDatasetUri(data.trainUri())
                .setHoldoutUri(data.holdoutUri())
                .setRecipe(
                    DemoRecipe.recipe(data.train(), data.train().size(), settings.seed())
                        .toJson()
                        .toString())
                .setPolicy(policy(erasedShare))
                .setRegisteredAt(clock.instant())
                .build())
        .join();
  }

  private UnlearningPolicy policy(double erasedShare) {
    return UnlearningPolicy.newBuilder(DefaultPolicy.forShare(erasedShare))
        .setMaxRequests(settings.subjectsPerBatch())
        .setSeed(settings.seed())
        .build();
  }

  /**
   * The same batch by DeepClean alone, from the sums of the store, measured on the same samples.
   */
  private UnlearningResult deepClean(Path anchor, String anchorId, int[] forget)
      throws IOException {
    FisherSums sums = stack.context().getBean(StreamApp.class).sums(MODEL_ID, anchorId);
    FisherDiagonal all = sums.retained().plus(sums.erased());
    double share = (double) forget.length / data.train().size();
    Path file = Files.createTempFile(folder, "compared", ".params");
    try {
      return new UnlearningPipeline()
          .unlearn(
              new UnlearningRequest(
                  anchor,
                  ModelFormat.DJL,
                  data.train(),
                  Optional.of(data.holdout()),
                  forget,
                  new int[0],
                  all,
                  all.zero(),
                  UnlearningPolicy.newBuilder(policy(share))
                      .setLadder(List.of(DeepClean.NAME))
                      .build(),
                  settings.seed(),
                  file),
              Progress.NONE);
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private void publish(EventProducer producer, Map<String, List<String>> lineage) {
    List<CompletableFuture<?>> sent = new ArrayList<>();
    lineage.forEach(
        (subject, samples) -> {
          String subjectId = pseudonyms.pseudonym(subject);
          sent.add(
              producer.send(
                  topics.datasetLineage(),
                  new LineageKey(subjectId, DATASET_ID),
                  new DatasetLineage(subjectId, DATASET_ID, samples, clock.instant())));
        });
    producer.flush();
    sent.forEach(CompletableFuture::join);
  }

  private UUID ask(EventProducer producer, String subject) {
    UUID requestId = UUID.randomUUID();
    String subjectId = pseudonyms.pseudonym(subject);
    producer
        .send(
            topics.deletionRequests(),
            subjectId,
            DeletionRequest.newBuilder()
                .setRequestId(requestId)
                .setSelector(
                    Selector.newBuilder()
                        .setKind(SelectorKind.SUBJECT)
                        .setSubjectId(subjectId)
                        .build())
                .setRegulation(Regulation.GDPR)
                .setReceivedAt(clock.instant())
                .build())
        .join();
    return requestId;
  }

  private List<ErasureReceipt> awaitReceipts(Set<UUID> requests) {
    Map<UUID, ErasureReceipt> receipts = new HashMap<>();
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    try (TopicReader<String, ErasureReceipt> reader =
        new TopicReader<>(kafka, topics.erasureReceipts())) {
      while (receipts.size() < requests.size()) {
        if (System.nanoTime() > deadline) {
          throw new IllegalStateException(
              "%d of %d receipts came in %s".formatted(receipts.size(), requests.size(), PATIENCE));
        }
        reader.poll(POLL).stream()
            .map(TopicReader.Event::value)
            .filter(receipt -> requests.contains(receipt.getRequestId()))
            .forEach(receipt -> receipts.put(receipt.getRequestId(), receipt));
      }
    }
    return List.copyOf(new TreeMap<>(receipts).values());
  }

  private static void requireReleased(JobOutcome outcome) {
    if (outcome.getVerdict() != Verdict.RELEASE) {
      throw new DemoHeldException(
          "the job ended with %s%s"
              .formatted(
                  outcome.getVerdict(),
                  outcome
                      .getError()
                      .map(error -> ": " + error)
                      .orElseGet(() -> ": " + failedChecks(outcome))));
    }
  }

  private static String failedChecks(JobOutcome outcome) {
    return outcome.getChecks().stream()
        .filter(check -> !check.getPassed())
        .map(
            check ->
                "%s is %.3f, at most %.3f is allowed"
                    .formatted(check.getName(), check.getValue(), check.getThreshold()))
        .collect(Collectors.joining("; "));
  }

  private Evaluation retrained(int[] forget) {
    SampleDataset train = data.train();
    Set<Integer> without = new HashSet<>();
    for (int position : forget) {
      without.add(position);
    }
    int[] retained =
        IntStream.range(0, train.size()).filter(position -> !without.contains(position)).toArray();
    try (LoadedModel model = trained("training without them", train, retained)) {
      return new JobSamples(train, Optional.of(data.holdout()), forget, settings.seed())
          .evaluator()
          .evaluate(model, Progress.NONE);
    }
  }

  private static int[] positions(SampleDataset dataset, Set<String> sampleIds) {
    return sampleIds.stream().mapToInt(id -> dataset.indexOf(id).orElseThrow()).sorted().toArray();
  }

  private static double secondsSince(long nanos) {
    return (System.nanoTime() - nanos) / NANOS;
  }
}
