package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.UnlearningMethod.Applied;
import io.lethe.unlearning.UnlearningMethod.Trial;
import io.lethe.unlearning.UnlearningTask;
import java.util.List;
import org.junit.jupiter.api.Test;

class SelectiveDampeningTest {
  @Test
  void theRatioComparesTheForgetMeanWithTheMeanOfAll() {
    // 2 of 10 samples: I_f = e / 2, I_D = (r + e) / 10.
    float[][] ratios =
        SelectiveDampening.ratios(diagonal(8, 4f, 1f, 0f, 0f), diagonal(2, 1f, 0f, 0f, 5f));

    assertThat(ratios[0]).containsExactly(1f, 0f, 0f, 5f);
  }

  @Test
  void theAdaptiveShareIsThatOfThePaper() {
    // The percentile 100 - ln(1 + 100 · 1 / 100): ln 2 percent lie above it.
    assertThat(SelectiveDampening.adaptiveShare(1, 100))
        .isEqualTo(Math.log(2) / 100, within(1e-15));
  }

  @Test
  void dampensSelectedWeightsByTheRatioAndNoOther() {
    try (LoadedModel model = Cases.trained()) {
      UnlearningTask task = Cases.records(model);
      List<float[]> before = Cases.weights(model);
      float[][] ratios = SelectiveDampening.ratios(task.retainSums(), task.erasedSums());

      Applied applied =
          new SelectiveDampening(parameters(SelectiveDampening.Selection.ALPHA, 2.0)).apply(task);

      List<float[]> after = Cases.weights(model);
      long above = 0;
      for (int t = 0; t < ratios.length; t++) {
        for (int i = 0; i < ratios[t].length; i++) {
          boolean selected = ratios[t][i] > 2;
          above += selected ? 1 : 0;
          float expected =
              selected
                  ? (float) (before.get(t)[i] * (double) (float) (1.5 / ratios[t][i]))
                  : before.get(t)[i];
          assertThat(after.get(t)[i]).isEqualTo(expected, within(Math.abs(expected) * 1e-6f));
        }
      }
      assertThat(above).isPositive();
      assertThat(applied.selected().stream().mapToInt(Integer::intValue).sum())
          .isEqualTo((int) above);
    }
  }

  /**
   * Hidden unit c serves class c alone, so that the weights which only the class uses are known: of
   * 100 samples 4 are of the class, so their ratio is I_f / I_D = 100 / 4. At λ = 1 they end at a
   * 25th, and class 1 below the bias of class 0.
   */
  @Test
  void aClassWithWeightsOfItsOwnIsForgottenAndNoOtherTouched() {
    OneHotSamples samples = new OneHotSamples(4, 100, 1, 4);
    try (LoadedModel model = samples.unitPerClass(2, 0.5f)) {
      UnlearningTask task = samples.wholeClass(model, 1);
      assertThat(Evaluator.score(model, samples, task.forget()).accuracy()).isEqualTo(1);
      List<float[]> before = Cases.weights(model);

      new SelectiveDampening(
              new SelectiveDampening.Parameters(
                  SelectiveDampening.Selection.ALPHA, 20, 0.05, 1, 8, 0.02, 0.001, 0.5))
          .apply(task);

      List<float[]> after = Cases.weights(model);
      for (int t = 0; t < after.size(); t++) {
        String name = model.weights().get(t).name();
        for (int i = 0; i < after.get(t).length; i++) {
          boolean own =
              switch (name) {
                case "dense1.weight" -> i == 4 + 1;
                case "output.weight" -> i % 4 == 1;
                default -> false;
              };
          float expected = before.get(t)[i] * (own ? 0.04f : 1);
          assertThat(after.get(t)[i]).isEqualTo(expected, within(1e-6f));
        }
      }
      assertThat(Evaluator.score(model, samples, task.forget()).accuracy()).isZero();
      assertThat(Evaluator.score(model, samples, task.repairPool()).accuracy()).isEqualTo(1);
    }
  }

  @Test
  void aSearchTriesWhatItMayAndChoosesOnce() {
    try (LoadedModel model = Cases.trained()) {
      UnlearningTask task = Cases.wholeClass(model, 1);

      Applied applied =
          new SelectiveDampening(parameters(SelectiveDampening.Selection.SEARCH, 10)).apply(task);

      assertThat(applied.trials()).hasSize(8);
      assertThat(applied.trials()).filteredOn(Trial::chosen).hasSize(1);
      Trial chosen = applied.trials().stream().filter(Trial::chosen).findFirst().orElseThrow();
      assertThat(chosen.kept()).isTrue();
      assertThat(chosen.retainDrop()).isLessThanOrEqualTo(0.02);
      // Of a class as much is forgotten as the retained samples bear.
      assertThat(applied.trials())
          .filteredOn(Trial::kept)
          .allMatch(trial -> trial.forgetGap() <= chosen.forgetGap());
      assertThat(applied.selectedFraction()).isEqualTo(chosen.share(), within(0.001));
    }
  }

  private static SelectiveDampening.Parameters parameters(
      SelectiveDampening.Selection selection, double alpha) {
    return new SelectiveDampening.Parameters(
        selection,
        alpha,
        0.05,
        selection == SelectiveDampening.Selection.ALPHA ? 1.5 : 1,
        8,
        0.02,
        0.001,
        0.5);
  }

  private static FisherDiagonal diagonal(long samples, float... values) {
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("w", List.of((long) values.length), values)), samples);
  }
}
