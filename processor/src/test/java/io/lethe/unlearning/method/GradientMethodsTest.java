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
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Methods that train: what they compute, against the definition. */
class GradientMethodsTest {
  private static final Offset<Double> EXACT = within(1e-12);

  /** As many retained as forget samples. */
  private static final int[] FEW = Arrays.copyOf(Cases.RETAIN, Cases.FORGET.length);

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
  void msgDrawsThoseAnewThatTellRetainedFromForgetSamplesLeastWithTheVarianceOfTheirLayer() {
    try (LoadedModel model = Cases.trained()) {
      List<float[]> before = Cases.weights(model);
      double[][] retained = gradients(model, FEW);
      double[][] forget = gradients(model, Cases.FORGET);

      new MaskedSmallGradients(
              new MaskedSmallGradients.Parameters(0.3, 0, 100, 1, 50, Float.MIN_VALUE, 0, 0))
          .apply(Cases.records(model).with(Cases.FORGET, FEW));

      List<float[]> after = Cases.weights(model);
      double mostOfDrawn = 0;
      double leastOfKept = Double.POSITIVE_INFINITY;
      double squares = 0;
      int drawn = 0;
      for (int t = 0; t < before.size(); t++) {
        var shape = model.weights().get(t).array().getShape();
        for (int i = 0; i < before.get(t).length; i++) {
          double gradient = Math.abs(retained[t][i] - forget[t][i]);
          if (after.get(t)[i] != before.get(t)[i]) {
            mostOfDrawn = Math.max(mostOfDrawn, gradient);
            // He et al. 2015: 2 / fan-in
            squares += Math.pow(after.get(t)[i], 2) * shape.size() / shape.get(0) / 2;
            drawn++;
          } else if (shape.dimension() == 4) {
            leastOfKept = Math.min(leastOfKept, gradient);
          }
        }
      }
      assertThat(drawn).isGreaterThan(200);
      assertThat(mostOfDrawn).isLessThan(leastOfKept * 1.01);
      assertThat(squares / drawn).isEqualTo(1, within(0.3)); // three standard errors
    }
  }

  @Test
  void msgsStepsAreOfSgdAndShorterOnWhatWasNotDrawn() {
    try (LoadedModel model = Cases.trained();
        NDManager scope = model.manager().newSubManager()) {
      UnlearningTask task = Cases.records(model).with(Cases.FORGET, FEW);
      List<float[]> before = Cases.weights(model);
      NDList anchor = model.copyWeights(scope);
      new MaskedSmallGradients(
              new MaskedSmallGradients.Parameters(0.3, 0, 100, 1, 40, Float.MIN_VALUE, 0, 0))
          .apply(task);
      List<float[]> drawn = Cases.weights(model);
      double[][] w = new double[drawn.size()][];
      double[][] velocity = new double[w.length][];
      for (int t = 0; t < w.length; t++) {
        float[] start = drawn.get(t);
        w[t] = IntStream.range(0, start.length).mapToDouble(i -> start[i]).toArray();
        velocity[t] = new double[start.length];
      }
      for (int step = 0; step < 2; step++) {
        double rate = 0.05 * (1 + Math.cos(Math.PI * (step + 0.5) / 2)) / 2;
        assign(model, w);
        double[][] gradient = gradients(model, FEW);
        for (int t = 0; t < w.length; t++) {
          for (int i = 0; i < w[t].length; i++) {
            double scale = drawn.get(t)[i] == before.get(t)[i] ? 0.25 : 1;
            velocity[t][i] = 0.8 * velocity[t][i] + scale * (gradient[t][i] + 0.02 * w[t][i]);
            w[t][i] -= rate * velocity[t][i];
          }
        }
      }
      model.assignWeights(anchor);

      new MaskedSmallGradients(
              new MaskedSmallGradients.Parameters(0.3, 0.25, 100, 2, 40, 0.05, 0.8, 0.02))
          .apply(task);

      List<float[]> after = Cases.weights(model);
      for (int t = 0; t < w.length; t++) {
        for (int i = 0; i < w[t].length; i++) {
          assertThat((double) after.get(t)[i]).isEqualTo(w[t][i], within(1e-5));
        }
      }
    }
  }

  /** Mean of the gradients of one sample at a time. */
  private static double[][] gradients(LoadedModel model, int[] samples) {
    double[][] mean = new double[model.weights().size()][];
    for (int sample : samples) {
      try (NDManager one = model.manager().newSubManager()) {
        NDList gradient = Gradients.mean(model, Cases.DATA, new int[] {sample}, one);
        for (int t = 0; t < mean.length; t++) {
          float[] values = gradient.get(t).toFloatArray();
          mean[t] = mean[t] == null ? new double[values.length] : mean[t];
          for (int i = 0; i < values.length; i++) {
            mean[t][i] += (double) values[i] / samples.length;
          }
        }
      }
    }
    return mean;
  }

  private static void assign(LoadedModel model, double[][] weights) {
    try (NDManager scope = model.manager().newSubManager()) {
      NDList arrays = new NDList();
      for (int t = 0; t < weights.length; t++) {
        arrays.add(
            scope
                .create(weights[t], model.weights().get(t).array().getShape())
                .toType(model.dataType(), false));
      }
      model.assignWeights(arrays);
    }
  }

  @Test
  void negGradPlusWeighsRetainedAgainstForgetSamplesAndEndsAscentAtTheCeiling() {
    NegGradPlus method = new NegGradPlus(new NegGradPlus.Parameters(0.3, true, 1, 1, 1, 1, 1));
    double infinite = Double.POSITIVE_INFINITY;
    try (NDManager scope = NDManager.newBaseManager()) {
      assertThat(objective(method, scope, 0.5, 1.25, 2)).isEqualTo(0.3 * 0.5 + 0.7 * 0.75, EXACT);
      assertThat(objective(method, scope, 0.5, 2.25, 2)).isEqualTo(0.3 * 0.5, EXACT);
      assertThat(objective(method, scope, 0.5, 2.25, infinite))
          .isEqualTo(0.3 * 0.5 - 0.7 * 2.25, EXACT);
    }
  }

  private static double objective(
      NegGradPlus method, NDManager scope, double retain, double forget, double ceiling) {
    return method.objective(scope.create(retain), scope.create(forget), ceiling).getDouble();
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
