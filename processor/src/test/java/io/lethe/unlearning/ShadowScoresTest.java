package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDManager;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ShadowScoresTest {
  @Test
  void theSameModelsCannotBeToldApart() {
    double[][] margins = gaussian(8, 5, 0, 1);

    ShadowScores scores =
        ShadowScores.between(margins(margins, 0.9, 0.8), margins(margins, 0.9, 0.8));

    assertThat(scores.models()).isEqualTo(8);
    assertThat(scores.klomForget()).isZero();
    assertThat(scores.forgettingQuality()).isEqualTo(1);
    assertThat(scores.neurips2023()).isEqualTo(1);
  }

  @Test
  void modelsThatNeverOverlapGetNoPoint() {
    double[][] unlearned = gaussian(6, 4, 50, 1);
    double[][] retrained = gaussian(6, 4, -50, 1);

    ShadowScores scores =
        ShadowScores.between(margins(unlearned, 0.9, 0.8), margins(retrained, 0.9, 0.8));

    assertThat(scores.forgettingQuality()).isZero();
    // All of p where q has its least share: Σ p log(p / 1e-5) ≥ log(1e5) − entropy of p
    assertThat(scores.klomForget()).isBetween(Math.log(1e5) - Math.log(6), Math.log(1e5) + 1e-9);
  }

  @Test
  void epsilonIsThatOfTheBestThreshold() {
    // Of 4 and 4 values, "above 2.5" catches 3 of 4 and is wrong once in 4
    double[] unlearned = {1, 3, 4, 5};
    double[] retrained = {0, 1.5, 2, 4.5};

    // FPR = FNR = 1/4: log((1 − 10⁻⁵ − 0.25) / 0.25). "Between 2.5 and 4.2" is right of 2 and never
    // wrong, which says nothing; what lies in [1, 4.5) is 3 of 4 against 2 of 4.
    assertThat(ShadowScores.epsilon(unlearned, retrained))
        .isCloseTo(Math.log(0.74999 / 0.25), within(1e-12));
  }

  /** 21 models can show ε up to ⌈log 20⌉ = 3, in bins of a half. */
  @Test
  void theQualityIsThatOfTheBin() {
    double[][] unlearned = new double[21][1];
    double[][] retrained = new double[21][1];
    for (int model = 0; model < 21; model++) {
      unlearned[model][0] = model < 6 ? model : 100 + model;
      retrained[model][0] = model < 15 ? 50 + model : 200 + model;
    }
    double epsilon = ShadowScores.epsilon(column(unlearned), column(retrained));

    double bin = Math.floor(epsilon / 0.5) + 1;
    assertThat(epsilon).isBetween(0.5, 3.0);
    assertThat(ShadowScores.forgettingQuality(unlearned, retrained))
        .isEqualTo(2 / Math.pow(2, bin));
  }

  @Test
  void aDistributionOfOnePointGivesItselfAway() {
    assertThat(ShadowScores.epsilon(new double[] {1, 1, 1, 1}, new double[] {0, 1, 2, 3}))
        .isEqualTo(50);
  }

  @Test
  void klomIsTheDivergenceOfHistograms() {
    // Range 0 to 20: bins of width 1
    double[][] unlearned = {{0}, {0.5}, {5.5}, {20}};
    double[][] retrained = {{0.2}, {5.1}, {5.2}, {20}};

    double klom = ShadowScores.klom(unlearned, retrained);

    assertThat(klom)
        .isCloseTo(
            0.5 * Math.log(0.5 / 0.25) + 0.25 * Math.log(0.25 / 0.5) + 0.25 * Math.log(1),
            within(1e-12));
  }

  @Test
  void theScoreFallsWithAccuracyThatIsLost() {
    double[][] margins = gaussian(4, 5, 0, 1);

    ShadowScores scores =
        ShadowScores.between(margins(margins, 0.45, 0.4), margins(margins, 0.9, 0.8));

    assertThat(scores.neurips2023()).isCloseTo(0.25, within(1e-12));
  }

  @Test
  void aMarginIsTheLogitOfTheLabelsProbability() {
    SampleDataset data = Datasets.open("synthetic:digits?samples=30&subjects=3&side=8&classes=4");
    int[] samples = IntStream.range(0, 30).toArray();
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(data.sampleShape(), 4, 9), 1);
        GradientMode off = GradientMode.off();
        NDManager scope = model.manager().newSubManager()) {
      float[] p = model.logits(data.batch(scope, samples).get(0)).softmax(1).toFloatArray();

      double[] margins = ShadowScores.margins(model, data, samples);

      for (int s = 0; s < 30; s++) {
        double right = p[s * 4 + data.label(s)];
        assertThat(margins[s]).isCloseTo(Math.log(right / (1 - right)), within(1e-4));
      }
    }
  }

  @Test
  void oneModelIsNoDistribution() {
    double[][] one = gaussian(1, 3, 0, 1);

    assertThatThrownBy(() -> ShadowScores.between(margins(one, 1, 1), margins(one, 1, 1)))
        .isInstanceOf(IllegalArgumentException.class);
  }

  @Test
  void intervalsAreThoseOfTheMeansOverSamples() {
    // Two samples: of the first both kinds of models say the same, of the second never
    double[][] unlearned = {{0, 0}, {1, 1}, {2, 2}, {3, 3}};
    double[][] retrained = {{0, 10}, {1, 11}, {2, 12}, {3, 13}};

    ShadowScores scores =
        ShadowScores.between(margins(unlearned, 0.45, 0.4), margins(retrained, 0.9, 0.8));

    double half = 1.959963984540054 * 0.5; // of the values 1 and 0
    assertThat(scores.forgettingQuality()).isEqualTo(0.5, within(1e-12));
    assertThat(scores.intervals().forgettingQuality().getLow())
        .isEqualTo(0.5 - half, within(1e-12));
    assertThat(scores.intervals().neurips2023().getHigh())
        .isEqualTo((0.5 + half) / 4, within(1e-12));
    assertThat(scores.intervals().klomForget().getHigh()).isGreaterThan(scores.klomForget());
  }

  private static ShadowScores.Margins margins(double[][] all, double retain, double holdout) {
    return new ShadowScores.Margins(all, all, all, retain, holdout);
  }

  private static double[] column(double[][] rows) {
    return Arrays.stream(rows).mapToDouble(row -> row[0]).toArray();
  }

  private static double[][] gaussian(int models, int samples, double mean, double sd) {
    Random random = new Random(5);
    double[][] values = new double[models][samples];
    for (double[] row : values) {
      for (int i = 0; i < samples; i++) {
        row[i] = mean + sd * random.nextGaussian();
      }
    }
    return values;
  }
}
