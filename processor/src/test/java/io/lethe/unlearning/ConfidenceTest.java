package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ConfidenceTest {
  @Test
  void theFactorIsTheRatioOfTheMeanLeads() {
    // Leads 2 and 4 against 1 and 3.
    float[] wanted = {5, 3, 0, -1, 0, 4};
    float[] given = {0, 1, 0, 9, 6, 1};

    assertThat(Confidence.factor(wanted, given, 3)).isEqualTo(3.0 / 2, within(1e-12));
  }

  @Test
  void theFactorIsBoundedAndOneWhereNothingLeads() {
    assertThat(Confidence.factor(new float[] {100, 0}, new float[] {1, 0}, 2)).isEqualTo(2);
    assertThat(Confidence.factor(new float[] {1, 0}, new float[] {100, 0}, 2)).isEqualTo(0.5);
    assertThat(Confidence.factor(new float[] {1, 1}, new float[] {1, 0}, 2)).isEqualTo(1);
    assertThat(Confidence.factor(new float[] {1, 0}, new float[] {1, 1}, 2)).isEqualTo(1);
  }

  @Test
  void adjustedTargetsLeadAsTheModelDoesAndKeepTheirClasses() {
    SampleDataset data = Datasets.open("synthetic:digits?samples=60&subjects=6&side=8&classes=4");
    int[] all = IntStream.range(0, 60).toArray();
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(data.sampleShape(), 4, 9), 1)) {
      float[] own = CrossFit.logits(model, data, all);
      float[] less = own.clone();
      for (int i = 0; i < less.length; i++) {
        less[i] *= 0.8f;
      }

      HeldOutTargets adjusted = Confidence.adjusted(HeldOutTargets.of(4, all, less), model, data);

      float[] logits = adjusted.logits(all);
      for (int i = 0; i < own.length; i++) {
        assertThat(logits[i]).isEqualTo(own[i], within(1e-4f));
      }
    }
  }
}
