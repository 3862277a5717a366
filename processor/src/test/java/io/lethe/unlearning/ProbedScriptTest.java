package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.dataset.SampleDataset;
import io.lethe.fisher.FisherAccumulator;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.model.TorchScriptFiles;
import io.lethe.model.TorchScriptModel;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** TorchScript's Fisher sums, against those that PyTorch computed in Python. */
class ProbedScriptTest {
  private static final SampleDataset DATA = TorchScriptFiles.data();
  private static final int[] ALL = IntStream.range(0, DATA.size()).toArray();

  /** DJL adds a layer's epsilon as a float32, which is 1e-5 to 3e-8. */
  private static final double TOLERANCE = 1e-8;

  @TempDir Path directory;

  private static Map<String, double[]> reference(LoadedModel model, String file)
      throws IOException {
    try (InputStream in = Files.newInputStream(TorchScriptFiles.file(file))) {
      Map<String, double[]> reference = new HashMap<>();
      for (NDArray array : NDList.decode(model.manager(), in)) {
        reference.put(array.getName(), array.toDoubleArray());
      }
      return reference;
    }
  }

  private static void assertClose(double[] actual, double[] expected, String name) {
    double largest = Arrays.stream(expected).max().orElseThrow();
    assertThat(largest).as(name).isPositive();
    assertThat(actual).as(name).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      assertThat(Math.abs(actual[i] - expected[i]))
          .as("%s: value %d: %s and %s", name, i, actual[i], expected[i])
          .isLessThanOrEqualTo(TOLERANCE * expected[i] + 1e-12 * largest);
    }
  }

  /** Layers that a model's own samples show, all of its weights among them. */
  private static int layers(TorchScriptModel model) {
    try (ProbedScript probed = ProbedScript.of(model).orElseThrow();
        NDManager scope = model.manager().newSubManager();
        GradientMode on = GradientMode.on()) {
      probed.forward(DATA.batch(scope, ALL).get(0).toType(model.dataType(), false));
      return probed.sees(ALL.length) ? probed.layers().size() : 0;
    }
  }

  @ParameterizedTest
  @CsvSource({
    "net-float64.pt, net-float64.npz, 9",
    "net-float64-traced.pt, net-float64.npz, 9",
    "tokens-float64.pt, tokens-float64.npz, 4",
    "tokens-float64-traced.pt, tokens-float64.npz, 4",
    "computed-float64.pt, computed-float64.npz, 0",
    "computed-float64-traced.pt, computed-float64.npz, 0",
  })
  void sumsAreThoseOfPython(String file, String expected, int layers) throws IOException {
    try (TorchScriptModel model = TorchScriptFiles.load(file)) {
      Map<String, double[]> reference = reference(model, expected);
      assertThat(layers(model)).as("layers of a fast form").isEqualTo(layers);

      FisherAccumulator sums =
          FisherComputer.ofMinibatch(model, 5).accumulate(DATA, ALL, Progress.NONE);

      for (int t = 0; t < model.weights().size(); t++) {
        String name = model.weights().get(t).name();
        assertClose(sums.sums(t), reference.get(name), name);
      }
      assertThat(reference).hasSize(model.weights().size() + 1);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"scripted.pt", "traced.pt", "computed-float64.pt"})
  void theModelStaysAsItIs(String name) {
    try (TorchScriptModel model = TorchScriptFiles.load(name)) {
      Path before = directory.resolve("before.pt");
      Path after = directory.resolve("after.pt");
      model.write(before);

      new FisherComputer(model).sum(DATA, ALL, Progress.NONE);

      model.write(after);
      assertThat(after).hasSameBinaryContentAs(before);
    }
  }

  @Test
  void sumsAreThoseOfTheWeightsAsTheyAreNow() {
    try (TorchScriptModel model = TorchScriptFiles.load("net-float64.pt")) {
      model.weights().get(0).array().muli(1.5);
      FisherComputer computer = new FisherComputer(model);

      FisherAccumulator fast = computer.accumulate(DATA, ALL, Progress.NONE);

      FisherAccumulator loop = computer.loop(DATA, ALL, Progress.NONE);
      for (int t = 0; t < model.weights().size(); t++) {
        assertClose(fast.sums(t), loop.sums(t), model.weights().get(t).name());
      }
    }
  }

  @Test
  void twoRunsGiveTheSameBytes() {
    try (TorchScriptModel model = TorchScriptFiles.load("scripted.pt")) {
      FisherComputer computer = new FisherComputer(model);

      FisherDiagonal first = computer.sum(DATA, ALL, Progress.NONE);
      FisherDiagonal second = computer.sum(DATA, ALL, Progress.NONE);

      for (int t = 0; t < first.tensors().size(); t++) {
        assertThat(second.tensors().get(t).values()).isEqualTo(first.tensors().get(t).values());
      }
    }
  }

  @Test
  void laterRunsOfOneShapeAreAsExactAsTheFirst() {
    // PyTorch rewrites a module's graph after its first runs.
    try (TorchScriptModel model = TorchScriptFiles.load("net-float64.pt")) {
      int[] often = IntStream.range(0, 48).map(i -> i % DATA.size()).toArray();
      FisherAccumulator once =
          FisherComputer.ofMinibatch(model, 1).accumulate(DATA, ALL, Progress.NONE);

      FisherAccumulator sums =
          FisherComputer.ofMinibatch(model, 4).accumulate(DATA, often, Progress.NONE);

      for (int t = 0; t < model.weights().size(); t++) {
        double[] expected = Arrays.stream(once.sums(t)).map(sum -> 4 * sum).toArray();
        assertClose(sums.sums(t), expected, model.weights().get(t).name());
      }
    }
  }

  @Test
  void aLoopOnCopiesIsTheLoop() {
    try (TorchScriptModel model = TorchScriptFiles.load("computed-float64.pt")) {
      model.weights().get(0).array().muli(1.5);
      FisherAccumulator expected = onCopies(model, 1, Progress.NONE);
      List<Long> at = new ArrayList<>();

      FisherAccumulator sums = onCopies(model, 3, (stage, done, total) -> at.add(done));
      FisherAccumulator again = onCopies(model, 3, Progress.NONE);

      assertThat(at).containsExactlyElementsOf(LongStream.rangeClosed(1, 12).boxed().toList());
      for (int t = 0; t < model.weights().size(); t++) {
        assertClose(sums.sums(t), expected.sums(t), model.weights().get(t).name());
        assertThat(again.sums(t)).isEqualTo(sums.sums(t));
      }
    }
  }

  @Test
  void aLoopOnCopiesEndsWithItsProgressAndWithAFailure() {
    int threads = JniUtils.getNumThreads();
    try (TorchScriptModel model = TorchScriptFiles.load("computed-float64.pt");
        TorchScriptModel unused = TorchScriptFiles.load("unused.pt")) {
      Progress cancelled =
          (stage, done, total) -> {
            throw new CancellationException("enough");
          };

      assertThatThrownBy(() -> onCopies(model, 2, cancelled)).hasMessage("enough");
      assertThatThrownBy(() -> onCopies(unused, 2, Progress.NONE))
          .isInstanceOf(UnlearningException.class)
          .hasMessageContaining("spare.weight received no gradient");
      assertThat(JniUtils.getNumThreads()).isEqualTo(threads);
    }
  }

  private static FisherAccumulator onCopies(
      TorchScriptModel model, int threads, Progress progress) {
    FisherAccumulator sums =
        new FisherAccumulator(
            model.weights().stream().map(LoadedModel.Weight::name).toList(),
            model.weights().stream().map(LoadedModel.Weight::shape).toList());
    SampleLoop.addOnCopies(model, threads, DATA, ALL, sums, progress);
    return sums;
  }

  @Test
  void namesAParameterThatReceivesNothing() {
    try (TorchScriptModel model = TorchScriptFiles.load("unused.pt")) {
      FisherComputer computer = new FisherComputer(model);

      assertThatThrownBy(() -> computer.sum(DATA, ALL, Progress.NONE))
          .isInstanceOf(UnlearningException.class)
          .hasMessageContaining("spare.weight received no gradient");
    }
  }

  @Test
  void aLossThatIsNotFiniteIsRefused() {
    try (TorchScriptModel model = TorchScriptFiles.load("nan.pt")) {
      FisherComputer computer = new FisherComputer(model);

      assertThatThrownBy(() -> computer.sum(DATA, ALL, Progress.NONE))
          .isInstanceOf(UnlearningException.class)
          .hasMessageContaining("not a finite number");
    }
  }
}
