package io.lethe.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelFormat;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TorchScriptModelTest {
  private static final SampleDataset DATA = TorchScriptFiles.data();
  private static final int[] ALL = IntStream.range(0, DATA.size()).toArray();

  @TempDir Path directory;

  private static double[] logits(LoadedModel model) {
    try (NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      return model
          .logits(DATA.batch(scope, ALL).get(0).toType(model.dataType(), false))
          .toType(DataType.FLOAT64, false)
          .toDoubleArray();
    }
  }

  private Map<String, Long> tensors(LoadedModel model, String name) throws IOException {
    Path file = directory.resolve(name);
    model.write(file);
    return TorchScriptArchive.read(file).tensorChecksums();
  }

  @ParameterizedTest
  @ValueSource(strings = {"scripted.pt", "traced.pt", "saved-in-training.pt"})
  void parametersHaveTheirNamesInOrder(String file) {
    try (LoadedModel model = TorchScriptFiles.load(file)) {
      assertThat(model.weights())
          .extracting(LoadedModel.Weight::name)
          .containsExactly(
              "stem.0.weight",
              "stem.0.bias",
              "stem.1.weight",
              "stem.1.bias",
              "first.conv.weight",
              "first.norm.weight",
              "first.norm.bias",
              "second.conv.weight",
              "second.norm.weight",
              "second.norm.bias",
              "hidden.weight",
              "hidden.bias",
              "norm.weight",
              "norm.bias",
              "output.weight",
              "output.bias");
      assertThat(model.weights().get(0).shape()).containsExactly(4L, 1L, 3L, 2L);
      assertThat(model.dataType()).isEqualTo(DataType.FLOAT32);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "net-float64.pt, net-float64.npz",
    "net-float64-traced.pt, net-float64.npz",
    "tokens-float64.pt, tokens-float64.npz"
  })
  void logitsAreThoseOfPython(String file, String reference) throws IOException {
    try (LoadedModel model = TorchScriptFiles.load(file);
        InputStream in = Files.newInputStream(TorchScriptFiles.file(reference))) {
      double[] expected =
          NDList.decode(model.manager(), in).stream()
              .filter(array -> array.getName().equals("logits"))
              .findFirst()
              .orElseThrow()
              .toDoubleArray();

      double[] logits = logits(model);

      assertThat(logits).hasSameSizeAs(expected);
      for (int i = 0; i < expected.length; i++) {
        assertThat(Math.abs(logits[i] - expected[i])).isLessThan(1e-12);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"scripted.pt", "traced.pt", "net-float64.pt"})
  void aWrittenModelComputesTheSameAndHasTheSameBytes(String name) {
    Path first = directory.resolve("first.pt");
    double[] expected;
    try (LoadedModel model = TorchScriptFiles.load(name)) {
      model.weights().get(3).array().addi(0.25);
      expected = logits(model);
      model.write(first);
    }

    try (LoadedModel loaded = LoadedModel.load(first, ModelFormat.TORCHSCRIPT);
        LoadedModel again = TorchScriptFiles.load(name)) {
      Path second = directory.resolve("second.pt");
      again.weights().get(3).array().addi(0.25);
      again.write(second);

      assertThat(logits(loaded)).containsExactly(expected);
      assertThat(second).hasSameBinaryContentAs(first);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"scripted.pt", "traced.pt", "saved-in-training.pt"})
  void statisticsStayWhateverIsComputed(String name) throws IOException {
    try (LoadedModel model = TorchScriptFiles.load(name);
        NDManager scope = model.manager().newSubManager()) {
      Map<String, Long> before = tensors(model, "before.pt");
      double[] alone = logits(model);

      try (GradientMode on = GradientMode.on()) {
        NDArray weight = model.weights().get(0).array();
        weight.setRequiresGradient(true);
        GradientMode.backward(model.logits(DATA.batch(scope, ALL).get(0)).square().sum());
        assertThat(weight.getGradient().abs().max().getFloat()).isPositive();
        weight.setRequiresGradient(false);
      }

      assertThat(tensors(model, "after.pt")).isEqualTo(before).isNotEmpty();
      assertThat(logits(model)).containsExactly(alone);
    }
  }

  @Test
  void onlyTrainingMovesStatisticsAndLoadingAgainHasThemBack() throws IOException {
    try (LoadedModel model = TorchScriptFiles.load("scripted.pt");
        NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      Map<String, Long> before = tensors(model, "before.pt");

      model.trainingLogits(DATA.batch(scope, ALL).get(0));

      assertThat(tensors(model, "moved.pt")).isNotEqualTo(before);
    }
    try (LoadedModel again = TorchScriptFiles.load("scripted.pt")) {
      assertThat(tensors(again, "again.pt"))
          .isEqualTo(TorchScriptArchive.read(directory.resolve("before.pt")).tensorChecksums());
    }
  }

  @Test
  void trainingUsesDropoutAndTheStatisticsOfTheBatch() {
    try (LoadedModel model = TorchScriptFiles.load("scripted.pt");
        NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      NDArray x = DATA.batch(scope, ALL).get(0);

      NDArray once = model.trainingLogits(x);
      NDArray twice = model.trainingLogits(x);

      assertThat(once.sub(twice).abs().max().getFloat()).isGreaterThan(1e-3f);
      assertThat(model.logits(x).toFloatArray()).containsExactly(model.logits(x).toFloatArray());
    }
  }

  @Test
  void aTracedModuleCannotBeTrained() {
    try (LoadedModel model = TorchScriptFiles.load("traced.pt");
        NDManager scope = model.manager().newSubManager()) {
      NDArray x = DATA.batch(scope, ALL).get(0);

      assertThatThrownBy(() -> model.trainingLogits(x))
          .isInstanceOf(ModelException.class)
          .hasMessageContaining("traced.pt: traced")
          .hasMessageContaining("torch.jit.script");
    }
  }

  @Test
  void aWrittenModelAsksForGradientsAsTheOriginalDid() throws IOException {
    Path file = directory.resolve("written.pt");
    try (LoadedModel model = TorchScriptFiles.load("scripted.pt")) {
      model.write(file);

      assertThat(model.weights()).noneMatch(weight -> weight.array().hasGradient());
    }
    try (NDManager manager = NDManager.newBaseManager();
        var module = TorchScriptModel.open(file, (ai.djl.pytorch.engine.PtNDManager) manager)) {
      assertThat(
              ai.djl.pytorch.jni.JniUtils.moduleGetParams(
                  module, (ai.djl.pytorch.engine.PtNDManager) manager))
          .allMatch(NDArray::hasGradient);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "traced-in-training.pt, traced in training mode",
    "frozen.pt, has no parameters",
    "weights.pt, holds weights without their network",
    "data.npz, not a TorchScript file",
    "net-float64.npz, not a TorchScript file",
  })
  void refusesWithOneReason(String name, String reason) {
    Path file = TorchScriptFiles.file(name);

    assertThatThrownBy(() -> LoadedModel.load(file, ModelFormat.TORCHSCRIPT))
        .isInstanceOf(ModelException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(reason)
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
  }

  @ParameterizedTest
  @ValueSource(strings = {"batch-statistics.pt", "always-drops.pt"})
  void refusesOutputsThatAreNoFunctionOfTheSample(String name) {
    try (LoadedModel model = TorchScriptFiles.load(name)) {
      assertThatThrownBy(() -> logits(model))
          .isInstanceOf(ModelException.class)
          .hasMessageContaining(name + ": its outputs in eval mode change")
          .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
    }
  }

  @Test
  void aFileThatIsCutOffIsRefused() throws IOException {
    byte[] whole = Files.readAllBytes(TorchScriptFiles.file("scripted.pt"));
    Path file = directory.resolve("cut.pt");
    Files.write(file, java.util.Arrays.copyOf(whole, whole.length / 2));

    assertThatThrownBy(() -> LoadedModel.load(file, ModelFormat.TORCHSCRIPT))
        .isInstanceOf(ModelException.class)
        .hasMessageStartingWith(file.toString());
  }

  @Test
  void inputOfAnotherShapeIsOneLine() {
    try (LoadedModel model = TorchScriptFiles.load("unused.pt");
        NDManager scope = model.manager().newSubManager()) {
      NDArray x = scope.zeros(new ai.djl.ndarray.types.Shape(2, 1, 5, 5));

      assertThatThrownBy(() -> model.logits(x))
          .isInstanceOf(ModelException.class)
          .hasMessageContaining("unused.pt: does not run on input of shape (2, 1, 5, 5)")
          .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
    }
  }
}
