package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class TrainerTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=130&subjects=5&side=8&noise=0&classes=3");

  @Test
  void learnsWhatItIsShown() {
    try (LoadedModel model = LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 3, 6, 8), 1)) {
      new Trainer(recipe(12, 1)).train(model, DATA, all(), Progress.NONE);

      assertThat(Evaluator.score(model, DATA, all()).metrics().getAccuracy()).isGreaterThan(0.95);
      assertThat(model.weights()).noneMatch(weight -> weight.array().hasGradient());
    }
  }

  @Test
  void theSeedDecidesTheWeights() {
    float[] one = trained(1);

    assertThat(trained(1)).containsExactly(one);
    assertThat(trained(2)).isNotEqualTo(one);
  }

  @Test
  void schedulesStartAndEndWhereTheySay() {
    double peak = 0.01;

    assertThat(TrainingRecipe.Schedule.ONE_CYCLE.rate(peak, 0, 1000)).isLessThan(peak / 100);
    assertThat(TrainingRecipe.Schedule.ONE_CYCLE.rate(peak, 300, 1000))
        .isCloseTo(peak, within(peak / 100));
    assertThat(TrainingRecipe.Schedule.ONE_CYCLE.rate(peak, 999, 1000)).isLessThan(peak / 100);
    assertThat(TrainingRecipe.Schedule.COSINE.rate(peak, 0, 1000))
        .isCloseTo(peak, within(peak / 100));
    assertThat(TrainingRecipe.Schedule.COSINE.rate(peak, 999, 1000)).isLessThan(peak / 100);
    assertThat(TrainingRecipe.Schedule.CONSTANT.rate(peak, 500, 1000)).isEqualTo(peak);
  }

  private static float[] trained(long seed) {
    try (LoadedModel model = LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 3, 6, 8), 1)) {
      new Trainer(recipe(2, seed)).train(model, DATA, all(), Progress.NONE);
      return model.weights().get(0).array().toFloatArray();
    }
  }

  private static TrainingRecipe recipe(int epochs, long seed) {
    return new TrainingRecipe(epochs, 16, 0.01, TrainingRecipe.Schedule.ONE_CYCLE, 0, seed);
  }

  private static int[] all() {
    return IntStream.range(0, DATA.size()).toArray();
  }
}
