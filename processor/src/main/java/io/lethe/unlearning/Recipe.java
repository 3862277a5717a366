package io.lethe.unlearning;

import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelFormat;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
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
 * <p>{@code "init": "untrained.pt"} names a scripted TorchScript file instead, its path relative to
 * the recipe's. The rest then has the defaults of an mlp.
 *
 * @param init the untrained network
 * @param training how it is trained; its seed also decides the initial weights of DJL blocks, while
 *     a TorchScript file holds its own
 */
public record Recipe(Init init, TrainingRecipe training) {
  /** An untrained network. */
  public sealed interface Init {
    /** A new model with its initial weights; the caller closes it. */
    LoadedModel create(long seed);

    /** Name of a file for a model that was trained from it. */
    String outputName();

    /** As {@code init} says it in a recipe file. */
    JsonNode toJson();
  }

  private record Blocks(BlockRecipe recipe) implements Init {
    @Override
    public LoadedModel create(long seed) {
      return LoadedModel.create(recipe, seed);
    }

    @Override
    public String outputName() {
      return "model.params";
    }

    @Override
    public JsonNode toJson() {
      return JSON.valueToTree(recipe);
    }
  }

  private record Script(Path file) implements Init {
    @Override
    public LoadedModel create(long seed) {
      return LoadedModel.load(file, ModelFormat.TORCHSCRIPT);
    }

    @Override
    public String outputName() {
      return "model.pt";
    }

    @Override
    public JsonNode toJson() {
      return JSON.valueToTree(file.toString());
    }
  }

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
          JSON.valueToTree(
              new BlockRecipe(
                  architecture,
                  dimensions(dataset.sampleShape()),
                  Math.max(2, dataset.classes()),
                  widths)),
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
      JsonNode init,
      String optimizer,
      double learningRate,
      String schedule,
      int epochs,
      int batch,
      double weightDecay,
      String loss,
      long seed) {
    Recipe recipe(Init untrained) {
      require("optimizer", optimizer, List.of("adam"));
      require("loss", loss, List.of("cross-entropy"));
      require(
          "schedule",
          schedule,
          Arrays.stream(TrainingRecipe.Schedule.values()).map(Recipe::name).toList());
      return new Recipe(
          untrained,
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
    Text text = FORMS.get(name).text(dataset);
    return text.recipe(blocks(text.init()));
  }

  /**
   * Reads a recipe file for a dataset.
   *
   * @throws IllegalArgumentException in one line that names the file
   */
  public static Recipe read(Path file, SampleDataset dataset) {
    try {
      return of(Files.readString(file), file, dataset);
    } catch (IOException e) {
      throw new IllegalArgumentException(file + ": no such file, or not readable", e);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("%s: not a recipe: %s".formatted(file, e.getMessage()), e);
    }
  }

  /**
   * Reads a recipe's text for a dataset; the path of a TorchScript file in it is absolute.
   *
   * @throws IllegalArgumentException in one line
   */
  public static Recipe of(String text, SampleDataset dataset) {
    return of(text, Path.of("recipe.json"), dataset);
  }

  /** A network of DJL blocks and its training. */
  public static Recipe of(BlockRecipe init, TrainingRecipe training) {
    return new Recipe(new Blocks(init), training);
  }

  private static Recipe of(String text, Path file, SampleDataset dataset) {
    try {
      JsonNode given = JSON.readTree(text);
      return given.path("init").isTextual()
          ? ofScript(file, given, dataset)
          : ofBlocks(given, dataset);
    } catch (JsonProcessingException e) {
      Throwable cause = e.getCause() instanceof IllegalArgumentException ? e.getCause() : e;
      throw new IllegalArgumentException(firstLine(cause.getMessage()), e);
    }
  }

  private static Recipe ofBlocks(JsonNode given, SampleDataset dataset)
      throws JsonProcessingException {
    String architecture = given.path("init").path("architecture").asText();
    if (!isName(architecture)) {
      throw new IllegalArgumentException(
          "init must be a TorchScript file, or init.architecture one of "
              + FORMS.keySet().stream().sorted().toList());
    }
    Text text = merged(FORMS.get(architecture), given, dataset);
    BlockRecipe init = JSON.treeToValue(text.init(), BlockRecipe.class);
    requireFits(init, dataset);
    return text.recipe(new Blocks(init));
  }

  private static Recipe ofScript(Path file, JsonNode given, SampleDataset dataset)
      throws JsonProcessingException {
    Path script = file.toAbsolutePath().resolveSibling(given.get("init").asText()).normalize();
    Script init = new Script(script);
    try (LoadedModel model = init.create(0)) {
      int classes = CrossFit.outputs(model, dataset);
      if (classes < dataset.classes()) {
        throw new IllegalArgumentException(
            "init has %d classes, the dataset has %d".formatted(classes, dataset.classes()));
      }
    }
    return merged(FORMS.get("mlp"), given, dataset).recipe(init);
  }

  private static Text merged(Form defaults, JsonNode given, SampleDataset dataset)
      throws JsonProcessingException {
    ObjectNode merged = JSON.valueToTree(defaults.text(dataset));
    merge(merged, given);
    return JSON.treeToValue(merged, Text.class);
  }

  private static Init blocks(JsonNode init) {
    try {
      return new Blocks(JSON.treeToValue(init, BlockRecipe.class));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
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
            init.toJson(),
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
