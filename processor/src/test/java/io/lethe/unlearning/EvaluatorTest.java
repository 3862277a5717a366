package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.Evaluation;
import io.lethe.model.BlockRecipe;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class EvaluatorTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=700&subjects=7&side=8");

  @Test
  void aucEqualsTheCountOverAllPairs() {
    Random random = new Random(1);
    for (int trial = 0; trial < 50; trial++) {
      // Few distinct values, so that ties are common
      double[] forget = losses(random, 1 + random.nextInt(20));
      double[] holdout = losses(random, 1 + random.nextInt(20));
      double wins = 0;
      for (double f : forget) {
        for (double h : holdout) {
          wins += f < h ? 1 : f == h ? 0.5 : 0;
        }
      }

      double auc = Evaluator.membershipAuc(forget, holdout);

      assertThat(auc).isCloseTo(wins / (forget.length * holdout.length), within(1e-12));
    }
  }

  @Test
  void anEmptySetTellsNothing() {
    assertThat(Evaluator.membershipAuc(new double[0], new double[] {1})).isEqualTo(0.5);
  }

  @Test
  void accuracyAndLossEqualTheSoftmaxByHand() {
    int[] samples = IntStream.range(100, 600).toArray(); // more than one minibatch
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 1)) {
      double loss = 0;
      int correct = 0;
      try (NDManager scope = model.manager().newSubManager();
          GradientMode off = GradientMode.off()) {
        NDList xy = DATA.batch(scope, samples);
        NDArray logits = model.logits(xy.get(0));
        float[] z = logits.toFloatArray();
        for (int s = 0; s < samples.length; s++) {
          int label = DATA.label(samples[s]);
          double sum = 0;
          int best = 0;
          for (int c = 0; c < 10; c++) {
            sum += Math.exp(z[s * 10 + c]);
            best = z[s * 10 + c] > z[s * 10 + best] ? c : best;
          }
          loss += Math.log(sum) - z[s * 10 + label];
          correct += best == label ? 1 : 0;
        }
      }
      Evaluator evaluator =
          new Evaluator(DATA, samples, new int[] {1, 2}, DATA, new int[] {3, 4, 5});

      Evaluation evaluation = evaluator.evaluate(model, Progress.NONE);

      assertThat(evaluation.getForget().getAccuracy()).isEqualTo(correct / 500.0);
      assertThat(evaluation.getForget().getLoss()).isCloseTo(loss / 500, within(1e-5));
      assertThat(evaluation.getForget().getSamples()).isEqualTo(500);
      assertThat(evaluation.getRetain().getSamples()).isEqualTo(2);
      assertThat(evaluation.getHoldout().getSamples()).isEqualTo(3);
    }
  }

  private static double[] losses(Random random, int count) {
    return DoubleStream.generate(() -> random.nextInt(6)).limit(count).toArray();
  }
}
