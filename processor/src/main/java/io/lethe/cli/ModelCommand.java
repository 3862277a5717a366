package io.lethe.cli;

import io.lethe.artifact.ArtifactStores;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelRegistered;
import io.lethe.offline.ModelFile;
import io.lethe.terminal.Terminal;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Registrations;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.Recipe;
import java.io.IOException;
import java.nio.file.Files;
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
              names = "--recipe",
              paramLabel = "FILE",
              description =
                  "How it is trained: what retraining and cross-fitting run (default: recipe.json"
                      + " beside the model, if it is there).")
          Path recipe,
      @Option(
              names = "--heldout",
              paramLabel = "FILE.npz",
              description =
                  "Your own out-of-fold predictions (ids, logits); otherwise the recipe makes some.")
          Path heldOut,
      @Option(
              names = "--policy",
              paramLabel = "FILE",
              description =
                  "JSON: when batches fire and how they are unlearned; see UnlearningPolicy.")
          Path policy)
      throws IOException {
    ModelFile file = ModelFile.of(model);
    file.load().close();
    SampleDataset data = Datasets.open(dataset);
    if (holdout != null) {
      Datasets.open(holdout);
    }
    ModelRegistered event =
        ModelRegistered.newBuilder()
            .setModelId(modelId)
            .setFormat(file.format())
            .setArtifactUri(location(model))
            .setArtifactSha256(file.sha256())
            .setDatasetId(datasetId)
            .setDatasetUri(dataset)
            .setHoldoutUri(holdout)
            .setRecipe(recipe(model, recipe, data))
            .setHeldoutUri(heldOut == null ? null : location(heldOut))
            .setHeldoutSha256(heldOut == null ? null : checked(heldOut, data))
            .setPolicy(PolicyFile.readOrDefaults(policy, DefaultPolicy.get()))
            .setRegisteredAt(Clock.systemUTC().instant())
            .build();
    Registrations.objection(modelId, event)
        .ifPresent(
            objection -> {
              throw new UnusableException(modelId + ": " + objection);
            });
    KafkaSettings kafka = client.kafka();
    Topics topics = client.topics(kafka);
    try (EventProducer producer = new EventProducer(kafka)) {
      producer.send(topics.models(), modelId, event).join();
    }
    Terminal.standard().line("registered " + modelId + ", sha256 " + event.getArtifactSha256());
    return Main.DONE;
  }

  /** A recipe with every field written out; null where there is none. */
  private static String recipe(Path model, Path given, SampleDataset data) {
    Path beside = model.resolveSibling("recipe.json");
    Path file = given != null ? given : Files.isReadable(beside) ? beside : null;
    return file == null ? null : Recipe.read(file, data).toJson().toString();
  }

  private static String location(Path file) {
    return ArtifactStores.location(file.toAbsolutePath().normalize().toString()).toString();
  }

  /** The digest of a file of held-out targets that can be read. */
  private static String checked(Path file, SampleDataset data) throws IOException {
    HeldOutFile.read(file, data);
    return Sha256.of(file);
  }

  @Command(
      name = "heldout",
      description = {
        "Gives a registered model held-out targets: your own out-of-fold predictions.",
        "They take the place of those that its recipe made."
      },
      mixinStandardHelpOptions = true)
  int heldout(
      @Mixin ClientOptions client,
      @Parameters(paramLabel = "ID", description = "The model's name.") String modelId,
      @Parameters(paramLabel = "FILE.npz", description = "ids and logits.") Path file)
      throws IOException {
    ModelRegistered model = registered(client).get(modelId);
    if (model == null) {
      throw new UnusableException(modelId + ": no such model is registered");
    }
    String sha256 = checked(file, Datasets.open(model.getDatasetUri()));
    KafkaSettings kafka = client.kafka();
    try (EventProducer producer = new EventProducer(kafka)) {
      producer
          .send(
              client.topics(kafka).models(),
              modelId,
              ModelRegistered.newBuilder(model)
                  .setHeldoutUri(location(file))
                  .setHeldoutSha256(sha256)
                  .setRegisteredAt(Clock.systemUTC().instant())
                  .build())
          .join();
    }
    Terminal.standard().line("sent; the API's /v1/models/" + modelId + " shows what follows");
    return Main.DONE;
  }

  @Command(
      name = "retrain",
      description = {
        "Trains a model anew, by its recipe, without all that was erased.",
        "What waits for it, and the job that waits for a person, are served by that."
      },
      mixinStandardHelpOptions = true)
  int retrain(@Mixin ClientOptions client, @Parameters(paramLabel = "ID") String modelId) {
    return command(client, modelId, ModelCommandKind.RETRAIN, null);
  }

  @Command(
      name = "list",
      description = "Lists the registered models.",
      mixinStandardHelpOptions = true)
  int list(@Mixin ClientOptions client) {
    Terminal terminal = Terminal.standard();
    registered(client)
        .forEach(
            (id, model) ->
                terminal.line(
                    "%-24s %-12s %s".formatted(id, model.getFormat(), model.getDatasetUri())));
    return Main.DONE;
  }

  private static Map<String, ModelRegistered> registered(ClientOptions client) {
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
    return models;
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
