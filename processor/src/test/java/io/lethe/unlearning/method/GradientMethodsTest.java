package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Sgd;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.UnlearningMethod.Applied;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Methods that train: what they compute, against the definition. */
class GradientMethodsTest {
  @Test
  void theMeanGradientIsThatOfOneSampleAtATime() {
    try (LoadedModel model = Cases.trained();
        NDManager scope = model.manager().newSubManager()) {
      int[] samples = IntStream.range(0, 300).toArray();

      NDList mean = Gradients.mean(model, Cases.DATA, samples, scope);

      double[] sum = new double[(int) mean.get(0).getShape().size()];
      for (int sample : samples) {
        try (NDManager one = model.manager().newSubManager()) {
          float[] gradient =
              Gradients.mean(model, Cases.DATA, new int[] {sample}, one).get(0).toFloatArray();
          for (int i = 0; i < sum.length; i++) {
            sum[i] += gradient[i] / samples.length;
          }
        }
      }
      float[] actual = mean.get(0).toFloatArray();
      double largest = Arrays.stream(sum).map(Math::abs).max().orElseThrow();
      for (int i = 0; i < sum.length; i++) {
        assertThat((double) actual[i]).isEqualTo(sum[i], within(1e-4 * largest));
      }
    }
  }

  @Test
  void momentumScalesAndDecayAreThoseOfTheDefinition() {
    try (LoadedModel model = Cases.untrained();
        NDManager scope = model.manager().newSubManager()) {
      NDList scales = new NDList();
      model.weights().forEach(w -> scales.add(scope.ones(w.array().getShape()).mul(0.5)));
      float before = model.weights().get(0).array().toFloatArray()[0];
      double[] w = {before};
      double velocity = 0;

      try (Sgd sgd = new Sgd(model, scales, 0.9, 0.1)) {
        for (int step = 0; step < 2; step++) {
          try (NDManager one = model.manager().newSubManager();
              GradientMode on = GradientMode.on()) {
            // The loss Σ 3 w has the gradient 3.
            one.tempAttachAll(model.weights().get(0).array());
            var loss = model.weights().get(0).array().mul(3).sum();
            for (int t = 1; t < scales.size(); t++) {
              one.tempAttachAll(model.weights().get(t).array());
              loss = loss.add(model.weights().get(t).array().mul(0).sum());
            }
            sgd.step(loss, 0.01);
          }
          velocity = 0.9 * velocity + 0.5 * (3 + 0.1 * w[0]);
          w[0] -= 0.01 * velocity;
        }
      }

      assertThat((double) model.weights().get(0).array().toFloatArray()[0])
          .isEqualTo(w[0], within(1e-6));
    }
  }

  @Test
  void theHingeEndsAscentWhereTheLossMeetsThatOfUnseenSamples() {
    double[] losses = new double[2];
    double unseen;
    try (LoadedModel model = Cases.trained()) {
      UnlearningTask task = Cases.records(model);
      NDList anchor = model.copyWeights(model.manager());
      unseen = Losses.unseenLoss(task);
      for (int hinge = 0; hinge < 2; hinge++) {
        model.assignWeights(anchor);
        new NegGradPlus(new NegGradPlus.Parameters(0.7, hinge == 1, 400, 15, 40, 64, 0.002))
            .apply(task);
        losses[hinge] = Cases.loss(model, Cases.FORGET);
      }
    }
    assertThat(losses[0]).isGreaterThan(2 * unseen);
    assertThat(losses[1]).isBetween(0.5 * unseen, 1.3 * unseen);
  }

  @Test
  void msgDrawsTheShareOfConvolutionWeightsOfTheSmallestGradientAnew() {
    try (LoadedModel model = Cases.trained();
        NDManager scope = model.manager().newSubManager()) {
      UnlearningTask task = Cases.records(model);

      Applied applied =
          new MaskedSmallGradients(
                  new MaskedSmallGradients.Parameters(0.3, 0, 100, 1, 50, 1e-9, 0, 0))
              .apply(task);

      long convolution = 0;
      for (int t = 0; t < model.weights().size(); t++) {
        var shape = model.weights().get(t).array().getShape();
        if (shape.dimension() == 4) {
          convolution += shape.size();
        } else {
          assertThat(applied.selected().get(t)).isZero();
        }
      }
      assertThat(applied.selected().stream().mapToInt(Integer::intValue).sum())
          .isEqualTo((int) Math.round(0.3 * convolution));
    }
  }

  @Test
  void retrainingIsTrainingOnWhatIsLeft() {
    try (LoadedModel model = Cases.trained();
        LoadedModel expected = Cases.untrained()) {
      new Trainer(Cases.RECIPE).train(expected, Cases.DATA, Cases.RETAIN, Progress.NONE);

      new Retrain().apply(Cases.records(model));

      assertThat(Cases.weights(model))
          .usingRecursiveComparison()
          .isEqualTo(Cases.weights(expected));
      assertThat(statistics(model)).usingRecursiveComparison().isEqualTo(statistics(expected));
    }
  }

  private static List<float[]> statistics(LoadedModel model) {
    return model.buffers().stream().map(buffer -> buffer.array().toFloatArray()).toList();
  }
}
