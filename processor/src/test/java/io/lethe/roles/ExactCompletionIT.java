package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.artifact.Artifact;
import io.lethe.events.CompletionStage;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.HeldoutMatchParameters;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommand;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.BlockRecipe;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.topology.StreamApp;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.TrainingRecipe;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import java.util.function.Function;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Both stages of a request on the real stack: unlearned toward held-out targets, then exact. */
class ExactCompletionIT {
  private static final Duration PATIENCE = Duration.ofMinutes(4);
  private static final Duration POLL = Duration.ofMillis(200);

  @TempDir static Path directory;

  private KafkaSettings kafka;
  private Topics topics;

  @Test
  void aRequestIsUnlearnedTowardTargetsAndExactWithTheNextAnchor() {
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
      kafka = stack.context().getBean(KafkaSettings.class);
      topics = stack.context().getBean(Topics.class);
      StreamApp app = stack.context().getBean(StreamApp.class);
      SmallCase small = new SmallCase(producer, topics);
      small.publishLineage();
      Artifact model = small.train(directory, 1);
      Recipe recipe =
          Recipe.of(
              BlockRecipe.cnn(small.dataset().sampleShape(), 4, 8, 16),
              new TrainingRecipe(1, 32, 0.005, TrainingRecipe.Schedule.CONSTANT, 0, 1));
      UnlearningPolicy policy =
          UnlearningPolicy.newBuilder(SmallCase.policy(1, 1))
              .setFolds(2)
              .setHeldoutMatch(HeldoutMatchParameters.newBuilder().setSteps(5).build())
              .setCompletion(CompletionStage.EXACT)
              // trained for one epoch, it may erode by more than the default: the command retrains
              // it
              .setMaxErosion(1)
              .build();

      // Given: an anchor with targets, and a request that was unlearned toward them
      small.register("m", model, policy, recipe.toJson().toString());
      await().atMost(PATIENCE).until(app::isReady);
      await().atMost(PATIENCE).until(() -> phase(app), Phase.COLLECTING::equals);
      assertThat(app.model("m").orElseThrow().getTargetsOf()).isEqualTo("recipe");
      UUID request = small.request(small.subjects().get(0), "m");
      await().atMost(PATIENCE).until(() -> waiting(app) == 1);
      List<JobOutcome> outcomes = outcomes();
      assertThat(outcomes.get(outcomes.size() - 1).getMethod()).contains("heldout-match");
      assertThat(receipts()).isEmpty();
      String released = versions().get(0).getArtifactUri();

      // When
      producer
          .send(
              topics.modelCommands(),
              "m",
              ModelCommand.newBuilder()
                  .setModelId("m")
                  .setCommand(ModelCommandKind.RETRAIN)
                  .setGivenAt(Clock.systemUTC().instant())
                  .build())
          .join();

      // Then: the old anchor, its sums, and the models that knew the samples are gone
      await().atMost(PATIENCE).until(() -> receipts().size() == 1);
      ErasureReceipt receipt = receipts().get(0);
      assertThat(receipt.getRequestId()).isEqualTo(request);
      assertThat(receipt.getUnlearnedAt().orElseThrow())
          .isBefore(receipt.getExactAt().orElseThrow());
      assertThat(receipt.getModels().get(0).getExactVersion()).contains(2L);
      await().atMost(PATIENCE).until(() -> phase(app), Phase.COLLECTING::equals);
      ModelState after = app.model("m").orElseThrow();
      ModelVersion exact = versions().get(1);
      assertThat(exact.getMethod()).isEqualTo("retrain");
      assertThat(after.getAnchorId()).isEqualTo(exact.getArtifactSha256());
      int erased = small.samplesOf(small.subjects().get(0)).size();
      assertThat(after.getExcludedSamples()).isEqualTo(erased);
      assertThat(app.sums("m", after.getAnchorId()).retained().samples())
          .isEqualTo(small.dataset().size() - erased);
      assertThat(Files.exists(Path.of(java.net.URI.create(released)))).isFalse();
      // Compaction keeps the last record of a key, and of a tombstone nothing.
      for (String store : List.of("batching-fisher", "batching-heldout")) {
        Map<String, Boolean> kept = lastOfEachKey(store);
        assertThat(keysOf(kept, model.sha256())).as(store).isNotEmpty();
        assertThat(keysOf(kept, model.sha256())).as(store).noneMatch(kept::get);
        assertThat(keysOf(kept, after.getAnchorId())).as(store).anyMatch(kept::get);
      }
    }
  }

  private static List<String> keysOf(Map<String, Boolean> changelog, String anchorId) {
    return changelog.keySet().stream().filter(key -> key.contains(anchorId)).toList();
  }

  /** The keys of a store's changelog, and whether the last record of each has a value. */
  private Map<String, Boolean> lastOfEachKey(String store) {
    Map<String, Boolean> last = new TreeMap<>();
    Map<String, Object> config = new HashMap<>(kafka.consumer());
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> partitions =
          consumer.listTopics().entrySet().stream()
              .filter(topic -> topic.getKey().endsWith(store + "-changelog"))
              .flatMap(topic -> topic.getValue().stream())
              .map(partition -> new TopicPartition(partition.topic(), partition.partition()))
              .toList();
      assertThat(partitions).isNotEmpty();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      while (ends.entrySet().stream()
          .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
        consumer
            .poll(POLL)
            .forEach(
                record ->
                    last.put(
                        new String(record.key(), StandardCharsets.ISO_8859_1),
                        record.value() != null));
      }
    }
    return last;
  }

  private static Phase phase(StreamApp app) {
    return app.model("m").map(ModelState::getPhase).orElse(Phase.ANCHORING);
  }

  private static int waiting(StreamApp app) {
    return app.model("m").map(ModelState::getAwaitingExact).orElse(0);
  }

  private List<ErasureReceipt> receipts() {
    return read(Topics::erasureReceipts);
  }

  private List<ModelVersion> versions() {
    return read(Topics::modelVersions);
  }

  private List<JobOutcome> outcomes() {
    return read(Topics::jobOutcomes);
  }

  private <V> List<V> read(Function<Topics, io.lethe.topics.Topic<String, V>> topic) {
    List<V> all = new ArrayList<>();
    try (TopicReader<String, V> reader = new TopicReader<>(kafka, topic.apply(topics))) {
      List<TopicReader.Event<String, V>> events;
      while (!(events = reader.poll(POLL)).isEmpty()) {
        events.forEach(event -> all.add(event.value()));
      }
    }
    return all;
  }
}
