package io.lethe.cli;

import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.demo.DemoPolicy;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelRegistered;
import io.lethe.offline.ModelFile;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lethe model}. */
@Command(
    name = "model",
    description = "Registers and lists models.",
    mixinStandardHelpOptions = true)
final class ModelCommand {
  private static final Duration QUIET = Duration.ofSeconds(2);

  @Command(
      name = "register",
      description = "Registers a model, or gives a registered one a new policy.",
      mixinStandardHelpOptions = true)
  int register(
      @Mixin ClientOptions client,
      @Parameters(paramLabel = "ID", description = "The model's name.") String modelId,
      @Option(
              names = "--model",
              paramLabel = "FILE",
              required = true,
              description = "Its weights: DJL blocks, or TorchScript (.pt).")
          Path model,
      @Option(
              names = "--dataset-id",
              paramLabel = "NAME",
              required = true,
              description = "Name of the training data in lineage.")
          String datasetId,
      @Option(
              names = "--dataset",
              paramLabel = "URI",
              required = true,
              description = "The training data.")
          String dataset,
      @Option(
              names = "--holdout",
              paramLabel = "URI",
              description = "Samples that the model never saw.")
          String holdout,
      @Option(
              names = "--policy",
              paramLabel = "JSON",
              description = "When batches fire and how they are unlearned; see UnlearningPolicy.")
          Path policy)
      throws IOException {
    ModelFile file = ModelFile.of(model);
    file.load().close();
    Datasets.open(dataset);
    if (holdout != null) {
      Datasets.open(holdout);
    }
    KafkaSettings kafka = client.kafka();
    Topics topics = client.topics(kafka);
    ModelRegistered event =
        ModelRegistered.newBuilder()
            .setModelId(modelId)
            .setFormat(file.format())
            .setArtifactUri(
                ArtifactStores.location(model.toAbsolutePath().normalize().toString()).toString())
            .setArtifactSha256(file.sha256())
            .setDatasetId(datasetId)
            .setDatasetUri(dataset)
            .setHoldoutUri(holdout)
            .setPolicy(PolicyFile.readOrDefaults(policy, DemoPolicy.defaults()))
            .setRegisteredAt(Clock.systemUTC().instant())
            .build();
    try (EventProducer producer = new EventProducer(kafka)) {
      producer.send(topics.models(), modelId, event).join();
    }
    Terminal.standard().line("registered " + modelId + ", sha256 " + event.getArtifactSha256());
    return Main.DONE;
  }

  @Command(
      name = "list",
      description = "Lists the registered models.",
      mixinStandardHelpOptions = true)
  int list(@Mixin ClientOptions client) {
    KafkaSettings kafka = client.kafka();
    Map<String, ModelRegistered> models = new TreeMap<>();
    try (TopicReader<String, ModelRegistered> reader =
        new TopicReader<>(kafka, client.topics(kafka).models())) {
      List<TopicReader.Event<String, ModelRegistered>> events;
      while (!(events = reader.poll(QUIET)).isEmpty()) {
        for (var event : events) {
          if (event.value() == null) {
            models.remove(event.key());
          } else {
            models.put(event.key(), event.value());
          }
        }
      }
    }
    Terminal terminal = Terminal.standard();
    models.forEach(
        (id, model) ->
            terminal.line(
                "%-24s %-12s %s".formatted(id, model.getFormat(), model.getDatasetUri())));
    return Main.DONE;
  }

  @Command(
      name = "release",
      description = "Publishes the version that waits for a person although its gate did not hold.",
      mixinStandardHelpOptions = true)
  int release(
      @Mixin ClientOptions client,
      @Parameters(paramLabel = "ID") String modelId,
      @Option(names = "--reason", required = true, description = "Why; goes on record.")
          String reason) {
    return command(client, modelId, ModelCommandKind.RELEASE, reason);
  }

  @Command(
      name = "retire",
      description = "Retires a model: its Fisher sums are deleted, its requests are answered.",
      mixinStandardHelpOptions = true)
  int retire(@Mixin ClientOptions client, @Parameters(paramLabel = "ID") String modelId) {
    KafkaSettings kafka = client.kafka();
    try (EventProducer producer = new EventProducer(kafka)) {
      producer.send(client.topics(kafka).models(), modelId, null).join();
    }
    Terminal.standard().line("retired " + modelId);
    return Main.DONE;
  }

  static int command(ClientOptions client, String modelId, ModelCommandKind kind, String reason) {
    KafkaSettings kafka = client.kafka();
    try (EventProducer producer = new EventProducer(kafka)) {
      producer
          .send(
              client.topics(kafka).modelCommands(),
              modelId,
              io.lethe.events.ModelCommand.newBuilder()
                  .setModelId(modelId)
                  .setCommand(kind)
                  .setReason(reason)
                  .setGivenAt(Clock.systemUTC().instant())
                  .build())
          .join();
    }
    Terminal.standard().line("sent; the API's /v1/models/" + modelId + " shows what follows");
    return Main.DONE;
  }
}
