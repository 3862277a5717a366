package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelVersion;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.LoadedModel;
import io.lethe.roles.EmbeddedStack;
import io.lethe.roles.SmallCase;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topic;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.unlearning.Evaluator;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A class that is forgotten on the real stack, asked for by command, and stays forgotten. */
class ClassErasureIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int LABEL = 2;

  @TempDir static Path directory;

  @Test
  void aClassIsForgottenAndDoesNotComeBackWithTheNextBatch() {
    try (EmbeddedStack stack =
            EmbeddedStack.start(
                new EmbeddedStack.Place(
                    directory.resolve("data"),
                    0,
                    0,
                    0,
                    Map.of(
                        "lethe.stream.commit-interval", "25ms",
                        "lethe.batching.tick", "200ms")));
        EventProducer producer = new EventProducer(stack.context().getBean(KafkaSettings.class))) {
      KafkaSettings kafka = stack.context().getBean(KafkaSettings.class);
      Topics topics = stack.context().getBean(Topics.class);
      StreamApp app = stack.context().getBean(StreamApp.class);
      final SmallCase small = new SmallCase(producer, topics);
      small.publishLineage();
      UnlearningPolicy policy =
          UnlearningPolicy.newBuilder(SmallCase.policy(1, 1))
              .setLadder(List.of("deepclean"))
              .setClassLadder(List.of("unsir"))
              .build();
      small.register("m", small.train(directory, 1), policy);
      await().atMost(PATIENCE).until(app::isReady);
      await().atMost(PATIENCE).until(() -> phase(app) == Phase.COLLECTING);

      // When
      int code =
          Main.commandLine()
              .execute(
                  "request",
                  "submit",
                  "--class",
                  Integer.toString(LABEL),
                  "--dataset",
                  SmallCase.DATASET_ID,
                  "--bootstrap-server",
                  stack.bootstrapServers(),
                  "--schema-registry",
                  stack.registryUrl());

      // Then
      assertThat(code).isZero();
      await().atMost(PATIENCE).until(() -> read(kafka, topics.erasureReceipts()).size() == 1);
      ErasureReceipt receipt = read(kafka, topics.erasureReceipts()).values().iterator().next();
      assertThat(receipt.getStatus()).isEqualTo(RequestStatus.COMPLETED);
      int ofClass = samplesOf(small.dataset(), LABEL).length;
      assertThat(receipt.getModels().get(0).getSamples()).isEqualTo(ofClass);
      ModelVersion first = read(kafka, topics.modelVersions()).get("m");
      assertThat(first.getMethod()).isEqualTo("unsir");
      assertThat(app.model("m").orElseThrow().getErasedSamples()).isEqualTo(ofClass);
      assertThat(app.sums("m", app.model("m").orElseThrow().getAnchorId()).retained().samples())
          .isEqualTo(small.dataset().size() - ofClass);
      double forgotten = accuracyOnTheClass(first);
      assertThat(forgotten).isLessThan(0.2);

      // When: the next batch is of a person
      UUID person = small.request(small.subjects().get(0), "m");

      // Then: it starts from there, and not from the anchor that knew the class
      await()
          .atMost(PATIENCE)
          .until(() -> read(kafka, topics.erasureReceipts()).containsKey(person.toString()));
      ModelVersion second = read(kafka, topics.modelVersions()).get("m");
      assertThat(second.getVersion()).isEqualTo(2);
      assertThat(second.getMethod()).isEqualTo("deepclean");
      assertThat(accuracyOnTheClass(second)).isLessThan(0.2);
    }
  }

  private static Phase phase(StreamApp app) {
    return app.model("m").map(ModelState::getPhase).orElse(Phase.ANCHORING);
  }

  private static int[] samplesOf(SampleDataset dataset, int label) {
    return IntStream.range(0, dataset.size())
        .filter(index -> dataset.label(index) == label)
        .toArray();
  }

  private static double accuracyOnTheClass(ModelVersion version) {
    SampleDataset test = Datasets.open(SmallCase.DATASET + "#test");
    URI uri = URI.create(version.getArtifactUri());
    Path file = ArtifactStores.open(uri).fetch(uri, version.getArtifactSha256());
    try (LoadedModel model = LoadedModel.load(file, ModelFormat.DJL)) {
      return Evaluator.score(model, test, samplesOf(test, LABEL)).metrics().getAccuracy();
    }
  }

  private static <V> Map<String, V> read(KafkaSettings kafka, Topic<String, V> topic) {
    Map<String, V> last = new TreeMap<>();
    try (TopicReader<String, V> reader = new TopicReader<>(kafka, topic)) {
      List<TopicReader.Event<String, V>> events;
      while (!(events = reader.poll(Duration.ofMillis(300))).isEmpty()) {
        events.forEach(event -> last.put(event.key(), event.value()));
      }
    }
    return last;
  }
}
