package io.lethe.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.lethe.events.ModelFormat;
import io.lethe.fisher.Safetensors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class DjlModelTest {
  private static final Shape INPUT = new Shape(1, 8, 8);

  @TempDir Path directory;

  @ParameterizedTest
  @ValueSource(strings = {"mlp", "cnn", "resnet18"})
  void aWrittenModelComputesTheSameAndHasTheSameBytes(String architecture) throws IOException {
    BlockRecipe recipe = new BlockRecipe(architecture, List.of(1L, 8L, 8L), 3, List.of(4, 5, 6, 7));
    Path first = directory.resolve("first.params");
    Path second = directory.resolve("second.params");
    float[] expected;
    try (LoadedModel model = LoadedModel.create(recipe, 1);
        NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      // Given running statistics that are not the initial ones
      model.trainingLogits(scope.randomNormal(new Shape(16, 1, 8, 8)));
      model.write(first);
      expected = model.logits(input(scope)).toFloatArray();
    }

    try (LoadedModel loaded = LoadedModel.load(first, ModelFormat.DJL);
        NDManager scope = loaded.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      loaded.write(second);

      assertThat(loaded.logits(input(scope)).toFloatArray()).containsExactly(expected);
    }
    assertThat(Files.mismatch(first, second)).isEqualTo(-1);
  }

  @Test
  void aNetworkWithPreluIsWrittenWithItsSlopes() {
    Path file = directory.resolve("prelu.params");
    float[] expected;
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(INPUT, 3, 4, 5).withPrelu(), 1);
        NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      // Given slopes that are not the initial ones
      model.weights().stream()
          .filter(weight -> weight.name().endsWith("alpha"))
          .forEach(weight -> weight.array().muli(weight.array().add(1)));
      model.write(file);
      expected = model.logits(input(scope)).toFloatArray();
    }

    try (LoadedModel loaded = LoadedModel.load(file, ModelFormat.DJL);
        NDManager scope = loaded.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      assertThat(loaded.weights())
          .extracting(LoadedModel.Weight::name)
          .containsExactly(
              "dense1.weight",
              "dense1.bias",
              "prelu2.alpha",
              "dense2.weight",
              "dense2.bias",
              "prelu4.alpha",
              "output.weight",
              "output.bias");
      assertThat(loaded.logits(input(scope)).toFloatArray()).containsExactly(expected);
    }
  }

  @Test
  void preluScalesWhatIsNegativeByItsChannelsSlope() {
    try (DjlModel model = DjlModel.of(new PRelu(true), new Shape(2, 2), 1, DataType.FLOAT32);
        NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      model.weights().get(0).array().set(new float[] {0.5f, -2f});

      NDArray y =
          model.logits(scope.create(new float[] {-1, 2, -3, 0, 4, -6, 7, -8}, new Shape(2, 2, 2)));

      assertThat(y.toFloatArray()).containsExactly(-0.5f, 2, 6, 0, 4, -3, 7, 16);
    }
  }

  @Test
  void namesAreReadableAndInOrder() {
    try (LoadedModel model = LoadedModel.create(BlockRecipe.cnn(INPUT, 3, 4, 5), 1)) {
      assertThat(model.weights())
          .extracting(LoadedModel.Weight::name)
          .containsExactly(
              "conv1.weight",
              "norm1.gamma",
              "norm1.beta",
              "dense.weight",
              "dense.bias",
              "output.weight",
              "output.bias");
      assertThat(model.buffers())
          .extracting(LoadedModel.Weight::name)
          .containsExactly("norm1.runningMean", "norm1.runningVar");
    }
  }

  @Test
  void theSeedDecidesTheWeights() {
    try (DjlModel one = DjlModel.create(BlockRecipe.mlp(INPUT, 3, 5), 1, DataType.FLOAT64);
        DjlModel same = DjlModel.create(BlockRecipe.mlp(INPUT, 3, 5), 1, DataType.FLOAT64);
        DjlModel other = DjlModel.create(BlockRecipe.mlp(INPUT, 3, 5), 2, DataType.FLOAT64)) {
      double[] weights = one.weights().get(0).array().toDoubleArray();

      assertThat(same.weights().get(0).array().toDoubleArray()).containsExactly(weights);
      assertThat(other.weights().get(0).array().toDoubleArray()).isNotEqualTo(weights);
    }
  }

  @Test
  void assigningACopyRestoresTheWeightsBitForBit() {
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(INPUT, 3, 5), 1);
        NDManager scope = model.manager().newSubManager()) {
      float[] before = model.weights().get(0).array().toFloatArray();
      var copy = model.copyWeights(scope);
      model.weights().get(0).array().addi(1);

      model.assignWeights(copy);

      assertThat(model.weights().get(0).array().toFloatArray()).containsExactly(before);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "null",
        "{}",
        "{\"architecture\":\"vgg\",\"input\":[1,8,8],\"classes\":3,\"widths\":[4]}",
        "{\"architecture\":\"mlp\",\"input\":[1,8],\"classes\":3,\"widths\":[4]}",
        "{\"architecture\":\"mlp\",\"input\":[1,8,8],\"classes\":3,\"widths\":[-4]}",
        "{\"architecture\":\"mlp\",\"input\":[1,4096,4096],\"classes\":3,\"widths\":[65536]}",
        "{\"architecture\":\"mlp\",\"input\":[1,8,8],\"classes\":3,\"widths\":[]}",
      })
  void refusesARecipeThatDoesNotFitTheFile(String recipe) throws IOException {
    Path file = directory.resolve("bad.params");
    Safetensors.write(
        file,
        Map.of("recipe", recipe),
        List.of(Safetensors.Tensor.of("w", List.of(3L), new float[3])));

    assertThatThrownBy(() -> LoadedModel.load(file, ModelFormat.DJL))
        .isInstanceOf(ModelException.class)
        .hasMessageStartingWith(file.toString())
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
  }

  @Test
  void refusesAFileThatIsNoModel() throws IOException {
    Path file = Files.writeString(directory.resolve("junk.params"), "this is not a model at all");

    assertThatThrownBy(() -> LoadedModel.load(file, ModelFormat.DJL))
        .isInstanceOf(ModelException.class)
        .hasMessageContaining("junk.params: not a safetensors file");
    assertThatThrownBy(() -> LoadedModel.load(directory.resolve("none"), ModelFormat.DJL))
        .isInstanceOf(ModelException.class)
        .hasMessageContaining("no such file");
  }

  private static NDArray input(NDManager scope) {
    return scope.arange(128f).div(128).reshape(2, 1, 8, 8);
  }
}
