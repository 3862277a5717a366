package io.lethe.unlearning;

import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * How a model is made: its network and its training, as a JSON file says it.
 *
 * <pre>
 * {"init": {"architecture": "cnn", "widths": [32, 64, 192]},
 *  "optimizer": "adam", "learningRate": 0.002, "schedule": "one-cycle", "epochs": 10, "batch": 64,
 *  "weightDecay": 0, "loss": "cross-entropy", "seed": 1}
 * </pre>
 *
 * <p>A file may leave out everything but {@code init.architecture}: the rest is that architecture's
 * default. {@code init.input} (channels, height, width) and {@code init.classes} are the dataset's
 * where they are left out.
 *
 * @param init the untrained network
 * @param training how it is trained; its seed also decides the initial weights
 */
public record Recipe(BlockRecipe init, TrainingRecipe training) {
  private static final ObjectMapper JSON =
      JsonMapper.builder()
          .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
          .enable(DeserializationFeature.FAIL_ON_NULL_CREATOR_PROPERTIES)
          .build();

  /** Hidden units, filters, or filters of the stages; sized so that each overfits 60,000 images. */
  private static final Map<String, Form> FORMS =
      Map.of(
          "mlp", new Form("mlp", List.of(512, 256), 1e-3, 10, 64),
          "cnn", new Form("cnn", List.of(32, 64, 192), 2e-3, 10, 64),
          "resnet18", new Form("resnet18", List.of(64, 128, 256, 512), 1e-3, 15, 128));

  private record Form(
      String architecture, List<Integer> widths, double learningRate, int epochs, int batch) {
    Text text(SampleDataset dataset) {
      return new Text(
          new BlockRecipe(
              architecture,
              dimensions(dataset.sampleShape()),
              Math.max(2, dataset.classes()),
              widths),
          "adam",
          learningRate,
          "one-cycle",
          epochs,
          batch,
          0,
          "cross-entropy",
          1);
    }
  }

  /** The file's fields. */
  private record Text(
      BlockRecipe init,
      String optimizer,
      double learningRate,
      String schedule,
      int epochs,
      int batch,
      double weightDecay,
      String loss,
      long seed) {
    Recipe recipe() {
      require("optimizer", optimizer, List.of("adam"));
      require("loss", loss, List.of("cross-entropy"));
      require(
          "schedule",
          schedule,
          Arrays.stream(TrainingRecipe.Schedule.values()).map(Recipe::name).toList());
      return new Recipe(
          init,
          new TrainingRecipe(
              epochs,
              batch,
              learningRate,
              TrainingRecipe.Schedule.valueOf(schedule.toUpperCase(Locale.ROOT).replace('-', '_')),
              weightDecay,
              seed));
    }

    private static void require(String field, String value, List<String> known) {
      if (!known.contains(value)) {
        throw new IllegalArgumentException(
            "%s: %s is not known; known are %s".formatted(field, value, String.join(", ", known)));
      }
    }
  }

  /** Whether a name stands for a recipe of its own rather than for a file. */
  public static boolean isName(String nameOrFile) {
    return FORMS.containsKey(nameOrFile);
  }

  /**
   * The default recipe of an architecture for a dataset.
   *
   * @param name {@code mlp}, {@code cnn} or {@code resnet18}
   */
  public static Recipe named(String name, SampleDataset dataset) {
    return FORMS.get(name).text(dataset).recipe();
  }

  /**
   * Reads a recipe file for a dataset.
   *
   * @throws IllegalArgumentException in one line that names the file
   */
  public static Recipe read(Path file, SampleDataset dataset) {
    try {
      return of(Files.readString(file), dataset);
    } catch (IOException e) {
      throw new IllegalArgumentException(file + ": no such file, or not readable", e);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("%s: not a recipe: %s".formatted(file, e.getMessage()), e);
    }
  }

  /**
   * Reads a recipe's text for a dataset.
   *
   * @throws IllegalArgumentException in one line
   */
  public static Recipe of(String text, SampleDataset dataset) {
    try {
      JsonNode given = JSON.readTree(text);
      String architecture = given.path("init").path("architecture").asText();
      if (!isName(architecture)) {
        throw new IllegalArgumentException(
            "init.architecture must be one of " + FORMS.keySet().stream().sorted().toList());
      }
      ObjectNode merged = JSON.valueToTree(FORMS.get(architecture).text(dataset));
      merge(merged, given);
      Recipe recipe = JSON.treeToValue(merged, Text.class).recipe();
      requireFits(recipe.init(), dataset);
      return recipe;
    } catch (JsonProcessingException e) {
      Throwable cause = e.getCause() instanceof IllegalArgumentException ? e.getCause() : e;
      throw new IllegalArgumentException(firstLine(cause.getMessage()), e);
    }
  }

  private static void requireFits(BlockRecipe init, SampleDataset dataset) {
    List<Long> shape = dimensions(dataset.sampleShape());
    if (!init.input().equals(shape) || init.classes() < dataset.classes()) {
      throw new IllegalArgumentException(
          "init takes %s and %d classes, the dataset has %s and %d"
              .formatted(init.input(), init.classes(), shape, dataset.classes()));
    }
  }

  private static void merge(ObjectNode base, JsonNode given) {
    given
        .properties()
        .forEach(
            field -> {
              if (base.get(field.getKey()) instanceof ObjectNode own
                  && field.getValue().isObject()) {
                merge(own, field.getValue());
              } else {
                base.set(field.getKey(), field.getValue());
              }
            });
  }

  /** This recipe with another seed. */
  public Recipe withSeed(long seed) {
    return with(training.epochs(), seed);
  }

  /** This recipe with another number of epochs. */
  public Recipe withEpochs(int epochs) {
    return with(epochs, training.seed());
  }

  private Recipe with(int epochs, long seed) {
    return new Recipe(
        init,
        new TrainingRecipe(
            epochs,
            training.batch(),
            training.learningRate(),
            training.schedule(),
            training.weightDecay(),
            seed));
  }

  /** The whole recipe as JSON, every field written out. */
  public JsonNode toJson() {
    return JSON.valueToTree(
        new Text(
            init,
            "adam",
            training.learningRate(),
            name(training.schedule()),
            training.epochs(),
            training.batch(),
            training.weightDecay(),
            "cross-entropy",
            training.seed()));
  }

  private static String name(TrainingRecipe.Schedule schedule) {
    return schedule.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  private static List<Long> dimensions(Shape shape) {
    return Arrays.stream(shape.getShape()).boxed().toList();
  }

  private static String firstLine(String message) {
    return message == null ? "" : message.lines().findFirst().orElse("");
  }
}
