package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.awaitility.Awaitility.await;

import io.lethe.artifact.Artifact;
import io.lethe.events.FisherEncoding;
import io.lethe.events.JobKind;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.model.LoadedModel;
import io.lethe.roles.EmbeddedStack;
import io.lethe.roles.SmallCase;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Progress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A worker that dies between its outcome and the end of its Fisher update. */
class WorkerCrashIT {
  private static final Duration PATIENCE = Duration.ofMinutes(4);
  private static final Duration POLL = Duration.ofMillis(200);

  @TempDir Path directory;

  @Test
  void nothingIsSubtractedTwiceAndNothingIsLost() {
    try (EmbeddedStack stack =
            EmbeddedStack.start(
                new EmbeddedStack.Place(
                    directory.resolve("data"),
                    0,
                    0,
                    0,
                    Map.of(
                        "lethe.worker.enabled", "false",
                        "lethe.stream.commit-interval", "25ms",
                        "lethe.batching.tick", "200ms")));
        EventProducer producer = new EventProducer(stack.context().getBean(KafkaSettings.class))) {
      KafkaSettings kafka = stack.context().getBean(KafkaSettings.class);
      Topics topics = stack.context().getBean(Topics.class);
      StreamApp app = stack.context().getBean(StreamApp.class);
      SmallCase small = new SmallCase(producer, topics);
      small.publishLineage();
      Artifact model = small.train(directory, 1);
      WorkerSettings settings = settings("first");
      JobRunner runner =
          new JobRunner(settings, app, app, new LineageSubjects(kafka, topics), Clock.systemUTC());
      JobReporter reporter =
          new JobReporter(producer, topics, "first", Clock.systemUTC(), FisherEncoding.FLOAT32);
      small.register("m", model, SmallCase.policy(1, 1));
      UnlearningJob anchor = job(kafka, topics, JobKind.ANCHOR);
      reporter.result(anchor, runner.run(anchor, Progress.NONE));
      await().atMost(PATIENCE).until(() -> phase(app) == Phase.COLLECTING);

      // Given: a worker that sent its outcome and half of its update, and no more
      small.request(small.subjects().get(0), "m");
      UnlearningJob job = job(kafka, topics, JobKind.UNLEARN);
      JobResult result = runner.run(job, Progress.NONE);
      JobResult.Update update = result.update().orElseThrow();
      FisherDiagonal half =
          new FisherDiagonal(update.sums().tensors().subList(0, 1), update.sums().samples());
      reporter.result(job, new JobResult(result.outcome()));
      reporter.chunks(job, new JobResult.Update(update.kind(), half));
      await().atMost(PATIENCE).until(() -> app.model("m").orElseThrow().getOutcome().isPresent());
      assertThat(app.sums("m", model.sha256()).erased().samples()).isZero();

      // When: another takes the job from the group
      try (Worker second =
          new Worker(settings("second"), kafka, topics, app, app, Clock.systemUTC())) {
        second.start();
        await().atMost(PATIENCE).until(() -> versions(kafka, topics).size() == 1);
      }

      // Then
      Set<String> erased = new HashSet<>(small.samplesOf(small.subjects().get(0)));
      FisherSums sums = app.sums("m", model.sha256());
      assertSums(sums.erased(), recomputed(model, small, erased, true));
      assertSums(sums.retained(), recomputed(model, small, erased, false));
      assertThat(phase(app)).isEqualTo(Phase.COLLECTING);
    }
  }

  private WorkerSettings settings(String id) {
    return new WorkerSettings(
        id,
        "crash-workers",
        directory.resolve("data").resolve("artifacts").toString(),
        directory.resolve("scratch-" + id),
        Duration.ofSeconds(30),
        URI.create("http://unused"),
        FisherEncoding.FLOAT32,
        "auto");
  }

  private static Phase phase(StreamApp app) {
    return app.model("m").map(ModelState::getPhase).orElse(Phase.ANCHORING);
  }

  private static UnlearningJob job(KafkaSettings kafka, Topics topics, JobKind kind) {
    List<UnlearningJob> found = new ArrayList<>();
    try (TopicReader<String, UnlearningJob> reader =
        new TopicReader<>(kafka, topics.unlearningJobs())) {
      await()
          .atMost(PATIENCE)
          .until(
              () -> {
                reader.poll(POLL).stream()
                    .map(TopicReader.Event::value)
                    .filter(job -> job.getKind() == kind)
                    .forEach(found::add);
                return !found.isEmpty();
              });
    }
    return found.get(0);
  }

  private static List<ModelVersion> versions(KafkaSettings kafka, Topics topics) {
    List<ModelVersion> all = new ArrayList<>();
    try (TopicReader<String, ModelVersion> reader =
        new TopicReader<>(kafka, topics.modelVersions())) {
      List<TopicReader.Event<String, ModelVersion>> events;
      while (!(events = reader.poll(POLL)).isEmpty()) {
        events.forEach(event -> all.add(event.value()));
      }
    }
    return all;
  }

  /** Exact sums at the anchor's weights, by a computation of their own. */
  private static FisherDiagonal recomputed(
      Artifact model, SmallCase small, Set<String> erased, boolean ofErased) {
    int[] positions =
        IntStream.range(0, small.dataset().size())
            .filter(i -> erased.contains(small.dataset().sampleId(i)) == ofErased)
            .toArray();
    try (LoadedModel anchor = LoadedModel.load(Path.of(model.uri()), ModelFormat.DJL)) {
      return new FisherComputer(anchor).sum(small.dataset(), positions, Progress.NONE);
    }
  }

  private static void assertSums(FisherDiagonal actual, FisherDiagonal expected) {
    assertThat(actual.samples()).isEqualTo(expected.samples());
    for (int t = 0; t < expected.tensors().size(); t++) {
      float[] want = expected.tensors().get(t).values();
      float[] have = actual.tensors().get(t).values();
      double largest = 0;
      for (float value : want) {
        largest = Math.max(largest, value);
      }
      assertThat(largest).isPositive();
      for (int i = 0; i < want.length; i++) {
        assertThat((double) have[i]).isCloseTo(want[i], within(1e-5 * largest));
      }
    }
  }
}
