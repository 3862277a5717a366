package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WhiteningTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=60&subjects=6&side=8&classes=4");
  private static final int[] ALL = IntStream.range(0, 60).toArray();
  private static final int[] SOME = {41, 3, 3, 59};

  @Test
  void theModelSaysTheSameAndClosingGivesTheWeightsBack() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      activations.keep(DATA, ALL);
      float[] expected = CrossFit.logits(model, DATA, SOME);
      List<float[]> before = weights(model);
      float[] plain = array(model, "dense.weight").toFloatArray();

      try (Whitening whitening = activations.whiten(DATA, ALL).orElseThrow()) {
        assertSame(logits(whitening, SOME), expected);
        assertThat(array(model, "dense.weight").toFloatArray()).isNotEqualTo(plain);
      }

      assertThat(weights(model)).usingRecursiveComparison().isEqualTo(before);
    }
  }

  @Test
  void whatWasLearntStaysInPlainWeights() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      activations.keep(DATA, ALL);
      float[] before = CrossFit.logits(model, DATA, SOME);
      float[] learnt;

      try (Whitening whitening = activations.whiten(DATA, ALL).orElseThrow();
          GradientMode off = GradientMode.off()) {
        array(model, "dense.weight").muli(1.5).addi(0.01);
        array(model, "dense.bias").addi(0.2);
        learnt = logits(whitening, SOME);
      }

      assertThat(learnt).isNotEqualTo(before);
      assertSame(CrossFit.logits(model, DATA, SOME), learnt);
    }
  }

  @Test
  void aSecondTimeIsAsTheFirst() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      activations.keep(DATA, ALL);
      List<float[]> written = new ArrayList<>();
      for (int time = 0; time < 2; time++) {
        try (Whitening whitening = activations.whiten(DATA, ALL).orElseThrow()) {
          written.add(array(model, "dense.weight").toFloatArray());
        }
      }
      assertThat(written.get(1)).containsExactly(written.get(0));
    }
  }

  @Test
  void aLayerBelowThatChangesIsWhitenedAnew() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      activations.keep(DATA, ALL);
      activations.whiten(DATA, ALL).orElseThrow().close();
      try (GradientMode off = GradientMode.off()) {
        array(model, "conv1.weight").muli(1.5);
      }
      activations.keep(DATA, ALL);

      try (Whitening whitening = activations.whiten(DATA, ALL).orElseThrow()) {
        float[] written = logits(whitening, SOME);
        whitening.close();
        assertSame(written, CrossFit.logits(model, DATA, SOME));
      }
    }
  }

  @Test
  void onlyWhatIsKeptIsWhitened() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      assertThat(activations.whiten(DATA, ALL)).isEmpty();

      activations.keep(DATA, SOME);

      assertThat(activations.whiten(DATA, ALL)).isEmpty();
    }
  }

  @Test
  void whitenedRowsHaveNoMeanAndNearlyUnitCovariance() {
    try (LoadedModel model = model();
        NDManager scope = model.manager().newSubManager()) {
      // Two features that vary together, the second a hundred times as much, and one that does not.
      int rows = 500;
      float[] values = new float[rows * 3];
      for (int i = 0; i < rows; i++) {
        float common = (float) Math.sin(i);
        values[3 * i] = 5 + common + (float) Math.cos(3 * i);
        values[3 * i + 1] = -7 + 3 * common;
        values[3 * i + 2] = 4;
      }

      try (WhitenedRows whitened =
          WhitenedRows.of(
                  scope,
                  IntStream.range(0, rows).toArray(),
                  scope.create(values, new Shape(rows, 3)))
              .orElseThrow()) {
        NDArray x = whitened.of(IntStream.range(0, rows).toArray(), scope);
        float[] mean = x.mean(new int[] {0}).toFloatArray();
        float[] covariance = x.transpose().matMul(x).div(rows).toFloatArray();

        // The trace is shared among three features, of which one has nothing.
        double scale = covariance[0];
        assertThat(mean).containsExactly(new float[] {0, 0, 0}, within(1e-4f));
        assertThat(covariance[4] / scale).isBetween(0.9, 1.1);
        assertThat(covariance[1] / scale).isBetween(-0.1, 0.1);
        assertThat(covariance[8]).isLessThan(1e-6f);
        assertThat(whitened.mean().toFloatArray()[2]).isEqualTo(4, within(1e-5f));
      }
    }
  }

  @Test
  void inputsThatNeverVaryAreNotWhitened() {
    try (LoadedModel model = model();
        NDManager scope = model.manager().newSubManager()) {
      assertThat(WhitenedRows.of(scope, new int[] {0, 1}, scope.ones(new Shape(2, 3)))).isEmpty();
    }
  }

  private static LoadedModel model() {
    return LoadedModel.create(BlockRecipe.cnn(new Shape(1, 8, 8), 4, 6, 64), 1);
  }

  private static NDArray array(LoadedModel model, String name) {
    return model.weights().stream()
        .filter(weight -> weight.name().equals(name))
        .findFirst()
        .orElseThrow()
        .array();
  }

  private static List<float[]> weights(LoadedModel model) {
    return model.weights().stream().map(weight -> weight.array().toFloatArray()).toList();
  }

  private static float[] logits(Whitening whitening, int[] samples) {
    try (GradientMode off = GradientMode.off();
        NDManager scope = NDManager.newBaseManager()) {
      return whitening.logits(samples, scope).toFloatArray();
    }
  }

  private static void assertSame(float[] actual, float[] expected) {
    assertThat(actual).containsExactly(expected, within(1e-4f));
  }
}
