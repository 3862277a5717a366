package io.lethe.model;

import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.List;

/**
 * How a DJL block is built. Stored as JSON beside its weights.
 *
 * @param architecture {@code mlp}, {@code cnn} or {@code resnet18}
 * @param input channels, height, width
 * @param classes number of outputs, 2 to 100,000
 * @param widths mlp: units of the hidden layers. cnn: filters of each convolution, each followed by
 *     pooling to half the size, and last the units of the hidden dense layer. resnet18: filters of
 *     the four stages (64, 128, 256, 512 in the paper).
 * @param activation {@code relu}, or {@code prelu} with a slope per channel; null is {@code relu}
 */
public record BlockRecipe(
    String architecture, List<Long> input, int classes, List<Integer> widths, String activation) {
  static final String RELU = "relu";
  static final String PRELU = "prelu";

  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES).build();

  public BlockRecipe {
    input = List.copyOf(input);
    widths = List.copyOf(widths);
    if (input.size() != 3 || input.stream().anyMatch(d -> d < 1 || d > 4096)) {
      throw new IllegalArgumentException("input is channels, height, width, each 1 to 4096");
    }
    if (classes < 2 || classes > 100_000) {
      throw new IllegalArgumentException("classes: 2 to 100000, not " + classes);
    }
    if (widths.size() > 64 || widths.stream().anyMatch(w -> w < 1 || w > 65_536)) {
      throw new IllegalArgumentException("widths: at most 64 of them, each 1 to 65536");
    }
    activation = activation == null ? RELU : activation;
    if (!activation.equals(RELU) && !activation.equals(PRELU)) {
      throw new IllegalArgumentException("unknown activation; known are relu and prelu");
    }
    Architectures.check(architecture, input, widths);
  }

  /** With ReLU. */
  public BlockRecipe(String architecture, List<Long> input, int classes, List<Integer> widths) {
    this(architecture, input, classes, widths, RELU);
  }

  /** As this recipe, with a PReLU in place of each ReLU. */
  public BlockRecipe withPrelu() {
    return new BlockRecipe(architecture, input, classes, widths, PRELU);
  }

  public static BlockRecipe mlp(Shape input, int classes, Integer... hidden) {
    return new BlockRecipe("mlp", dimensions(input), classes, List.of(hidden));
  }

  /** Convolutions of the given filters, then a dense layer of the last number. */
  public static BlockRecipe cnn(Shape input, int classes, Integer... widths) {
    return new BlockRecipe("cnn", dimensions(input), classes, List.of(widths));
  }

  public static BlockRecipe resnet18(Shape input, int classes) {
    return new BlockRecipe("resnet18", dimensions(input), classes, List.of(64, 128, 256, 512));
  }

  private static List<Long> dimensions(Shape shape) {
    return java.util.Arrays.stream(shape.getShape()).boxed().toList();
  }

  Shape inputShape() {
    return new Shape(input);
  }

  String toJson() {
    try {
      return JSON.writeValueAsString(this);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /**
   * @throws ModelException when the text is no recipe
   */
  static BlockRecipe fromJson(String text) {
    try {
      BlockRecipe recipe = JSON.readValue(text, BlockRecipe.class);
      if (recipe == null) {
        throw new ModelException("not a block recipe: null");
      }
      return recipe;
    } catch (JsonProcessingException e) {
      Throwable cause = e.getCause() instanceof IllegalArgumentException ? e.getCause() : e;
      throw new ModelException(
          "not a block recipe: " + cause.getMessage().lines().findFirst().orElse(""), e);
    }
  }
}
