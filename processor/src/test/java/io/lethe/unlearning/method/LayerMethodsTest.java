package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Blocks;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.DjlModel;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.LayersInARow;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.SymmetricEigen;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Methods that work layer by layer, against closed forms in plain Java. */
class LayerMethodsTest {
  private static final int CLASSES = 4;
  private static final double RIDGE = 2;

  /** A linear model: its head is all of it. */
  private static LoadedModel linear() {
    return DjlModel.of(
        new SequentialBlock()
            .add(Blocks.batchFlattenBlock())
            .add(Linear.builder().setUnits(CLASSES).build()),
        Cases.DATA.sampleShape(),
        1,
        DataType.FLOAT64);
  }

  private static UnlearningTask task(LoadedModel model) {
    return Cases.task(model, Cases.FORGET, Cases.RETAIN, Set.of());
  }

  /** A linear model's logits are linear in its weights, so that the datamodel is exact. */
  @Test
  void theDatamodelPredictsALinearModelExactlyAndUpToTheLossOnUnseenSamples() {
    try (LoadedModel model = linear();
        NDManager job = model.manager().newSubManager()) {
      assign(model, ridge(Sampling.complement(400)));
      UnlearningTask task = task(model);
      DatamodelMatching method = new DatamodelMatching(DatamodelMatching.Parameters.DEFAULT);
      double wanted = Losses.unseenLoss(task);
      assertThat(Cases.loss(model, Cases.FORGET)).isLessThan(wanted);

      NDList direction = method.direction(task, job);
      DatamodelMatching.Prediction forget =
          DatamodelMatching.predict(task, direction, Cases.FORGET, job);
      double scale = method.scale(task, forget, wanted);

      for (int t = 0; t < direction.size(); t++) {
        NDArray weight = model.weights().get(t).array();
        try (NDArray step = direction.get(t).mul(scale)) {
          weight.addi(step);
        }
      }
      float[] moved = CrossFit.logits(model, Cases.DATA, Cases.FORGET);
      float[] predicted = forget.at(scale);
      for (int i = 0; i < moved.length; i++) {
        assertThat(predicted[i]).isEqualTo(moved[i], within(0.01f));
      }
      assertThat(Cases.loss(model, Cases.FORGET)).isEqualTo(wanted, within(0.01));
    }
  }

  /** v_i (I_R,i + d · mean(I_R)) is the forget samples' gradient, but for one factor. */
  @Test
  void theDatamodelsDirectionIsTheGradientOverTheDampedInformation() {
    try (LoadedModel model = linear();
        NDManager job = model.manager().newSubManager()) {
      UnlearningTask task = task(model);
      FisherDiagonal sums = task.retainSums();
      double mean = 0;
      for (FisherDiagonal.Tensor tensor : sums.tensors()) {
        for (float value : tensor.values()) {
          mean += (double) value / sums.size();
        }
      }
      NDList gradient = Gradients.mean(model, Cases.DATA, Cases.FORGET, job);

      NDList direction =
          new DatamodelMatching(DatamodelMatching.Parameters.DEFAULT).direction(task, job);

      double factor = Double.NaN;
      for (int t = 0; t < direction.size(); t++) {
        double[] g = gradient.get(t).toType(DataType.FLOAT64, true).toDoubleArray();
        double[] v = direction.get(t).toType(DataType.FLOAT64, true).toDoubleArray();
        float[] r = sums.tensors().get(t).values();
        for (int i = 0; i < g.length; i++) {
          if (Math.abs(g[i]) > 1e-6) {
            double current = v[i] * (r[i] + 0.1 * mean) / g[i];
            factor = Double.isNaN(factor) ? current : factor;
            assertThat(current).isEqualTo(factor, within(1e-3 * Math.abs(factor)));
          }
        }
      }
      assertThat(factor).isPositive();
    }
  }

  @Test
  void oneStepOnRidgeRegressionIsTheClosedFormOfWhatIsLeft() {
    try (LoadedModel model = linear()) {
      // The optimum over all samples, as the influence update supposes.
      assign(model, ridge(Sampling.complement(400)));

      new Influence(parameters(Influence.Update.INFLUENCE, Influence.Loss.SQUARED))
          .apply(task(model));

      assertClose(weights(model), ridge(Cases.RETAIN), 1e-6);
    }
  }

  @Test
  void aStepFromSomeOfTheRetainedSamplesIsAsLongAsFromAll() {
    int[] half =
        IntStream.range(0, Cases.RETAIN.length / 2).map(i -> Cases.RETAIN[2 * i]).toArray();
    double[][] anchor = ridge(Sampling.complement(400));
    try (LoadedModel model = linear()) {
      assign(model, anchor);
      UnlearningTask all = task(model);

      new Influence(parameters(Influence.Update.INFLUENCE, Influence.Loss.SQUARED))
          .apply(withPool(all, half));

      double[][] left = ridge(Cases.RETAIN);
      assertThat(distance(weights(model), left)).isLessThan(0.5 * distance(anchor, left));
    }
  }

  private static UnlearningTask withPool(UnlearningTask task, int[] pool) {
    return new UnlearningTask(
        task.model(),
        task.dataset(),
        task.forget(),
        task.forgetClasses(),
        pool,
        task.unseen(),
        task.retainSums(),
        task.erasedSums(),
        task.targets(),
        task.retraining(),
        task.policy(),
        task.seed(),
        task.progress());
  }

  @Test
  void newtonOnRidgeRegressionReachesTheClosedFormFromAnywhere() {
    try (LoadedModel model = linear()) {
      new Influence(parameters(Influence.Update.NEWTON, Influence.Loss.SQUARED)).apply(task(model));

      assertClose(weights(model), ridge(Cases.RETAIN), 1e-6);
    }
  }

  @Test
  void newtonOnLogisticRegressionEndsWhereTheGradientOfWhatIsLeftIsZero() {
    try (LoadedModel model = linear()) {
      new Influence(parameters(Influence.Update.NEWTON, Influence.Loss.CROSS_ENTROPY))
          .apply(task(model));

      double[][] gradient = logisticGradient(weights(model), Cases.RETAIN);
      for (double[] row : gradient) {
        for (double value : row) {
          assertThat(value).isEqualTo(0, within(1e-6));
        }
      }
    }
  }

  @Test
  void influenceOnLogisticRegressionComesCloserToTheRetrainedHeadThanTheAnchorIs() {
    try (LoadedModel model = linear()) {
      UnlearningTask all = Cases.task(model, Cases.FORGET, Sampling.complement(400), Set.of());
      Influence newton =
          new Influence(parameters(Influence.Update.NEWTON, Influence.Loss.CROSS_ENTROPY));
      newton.apply(all);
      double[][] anchor = weights(model);
      newton.apply(task(model));
      double[][] retrained = weights(model);
      assign(model, anchor);

      new Influence(parameters(Influence.Update.INFLUENCE, Influence.Loss.CROSS_ENTROPY))
          .apply(task(model));

      assertThat(distance(weights(model), retrained)).isLessThan(0.4 * distance(anchor, retrained));
    }
  }

  @Test
  void eigenvectorsDiagonaliseTheMatrix() {
    Random random = new Random(1);
    int n = 20;
    double[] matrix = new double[n * n];
    for (int i = 0; i < n; i++) {
      for (int j = 0; j <= i; j++) {
        matrix[i * n + j] = random.nextGaussian();
        matrix[j * n + i] = matrix[i * n + j];
      }
    }
    try (NDManager manager = NDManager.newBaseManager()) {
      NDList eigen = SymmetricEigen.of(manager.create(matrix, new Shape(n, n)));

      double[] values = eigen.get(0).toDoubleArray();
      double[] vectors = eigen.get(1).toDoubleArray();
      for (int k = 0; k < n; k++) {
        for (int i = 0; i < n; i++) {
          double product = 0;
          for (int j = 0; j < n; j++) {
            product += matrix[i * n + j] * vectors[j * n + k];
          }
          assertThat(product).isEqualTo(values[k] * vectors[i * n + k], within(1e-9));
        }
        assertThat(k == 0 || values[k - 1] <= values[k]).isTrue();
      }
    }
  }

  @Test
  void theCoreSpaceHoldsNoMoreThanTheShareOfTheSingularValues() {
    // Singular values 4, 3, 2, 1, whose sums are .4, .7, .9 and all of 10: the authors count those
    // that are at most the share.
    double[] squares = {16, 9, 4, 1};
    assertThat(ProjectedGradient.core(squares, 0.3)).isZero();
    assertThat(ProjectedGradient.core(squares, 0.5)).isEqualTo(1);
    assertThat(ProjectedGradient.core(squares, 0.95)).isEqualTo(3);
  }

  @Test
  void whatPguClimbsIsThatOfThePaper() {
    double[][] logits = {{2, 0.5, -1}, {0.1, 0.2, 0.3}};
    long[] labels = {0, 2};
    double expected = 0;
    for (int s = 0; s < 2; s++) {
      double sum = Arrays.stream(logits[s]).map(Math::exp).sum();
      double entropy = 0;
      for (double logit : logits[s]) {
        entropy -= Math.exp(logit) / sum * Math.log(Math.exp(logit) / sum);
      }
      double known = Math.exp(logits[s][(int) labels[s]]) / sum;
      expected += (-Math.log(1 - known + 0.07) - 0.3 * entropy) / 2;
    }
    ProjectedGradient method =
        new ProjectedGradient(new ProjectedGradient.Parameters(0.9, 0.07, 0.3, 1, 1, 1, 1, 1));
    try (NDManager scope = NDManager.newBaseManager()) {
      double[] flat = Arrays.stream(logits).flatMapToDouble(Arrays::stream).toArray();

      NDArray loss = method.loss(scope.create(flat, new Shape(2, 3)), scope.create(labels));

      assertThat(loss.getDouble()).isEqualTo(expected, within(1e-12));
    }
  }

  @Test
  void aProjectedStepLeavesTheFirstLayersOutputsOnRetainedSamples() {
    try (LoadedModel model = Cases.trained();
        NDManager scope = model.manager().newSubManager()) {
      UnlearningTask task = Cases.records(model);
      LayersInARow row = LayersInARow.of(model).orElseThrow();
      ProjectedGradient method =
          new ProjectedGradient(
              new ProjectedGradient.Parameters(0.999999, 0.1, 1, 400, 1, 40, 0.1, 0.1));
      Map<NDArray, NDArray> outside = method.projections(task, row, scope);
      NDArray kernel = model.weights().get(0).array();
      NDArray projection = outside.get(kernel);
      NDArray x = Cases.DATA.batch(scope, IntStream.range(40, 60).toArray()).get(0);
      NDArray before = row.run(x).get(1).duplicate();
      NDArray start = kernel.duplicate();
      NDArray direction =
          scope.randomNormal(new Shape(kernel.getShape().get(0), projection.getShape().get(0)));

      try (GradientMode off = GradientMode.off()) {
        kernel.addi(direction.matMul(projection).reshape(kernel.getShape()));
      }
      double moved = row.run(x).get(1).sub(before).square().mean().getFloat();
      try (GradientMode off = GradientMode.off()) {
        start.copyTo(kernel);
        kernel.addi(direction.reshape(kernel.getShape()));
      }
      double unprojected = row.run(x).get(1).sub(before).square().mean().getFloat();

      // Nine inputs of a 3x3 kernel over one channel: all but the last direction are core.
      double free = IntStream.range(0, 9).mapToDouble(i -> projection.getFloat(i, i)).sum();
      assertThat(free).isEqualTo(1, within(1e-5));
      assertThat(moved).isLessThan(0.05 * unprojected);
      assertThat(projection.matMul(projection).sub(projection).abs().max().getFloat())
          .isLessThan(1e-5f);
    }
  }

  @Test
  void anAdaptersStepHasTheRankItShouldAndMovesNothingElse() {
    try (LoadedModel model = Cases.trained()) {
      var before = Cases.weights(model);
      LoadedModel.Weight dense =
          model.weights().stream()
              .filter(weight -> weight.name().equals("dense.weight"))
              .findFirst()
              .orElseThrow();
      int position =
          model.weights().stream().map(LoadedModel.Weight::name).toList().indexOf("dense.weight");
      UnlearningTask task = Cases.records(model);

      try (Adapters adapters = new Adapters(model, dense::equals, weight -> false, 2, 4, 1)) {
        FineTuning.run(
            task,
            adapters,
            3,
            io.lethe.unlearning.TrainingRecipe.Schedule.CONSTANT,
            0.01,
            scope -> Losses.crossEntropy(task, scope, Cases.FORGET).neg());
      }

      var after = Cases.weights(model);
      for (int t = 0; t < before.size(); t++) {
        if (t != position) {
          assertThat(after.get(t)).containsExactly(before.get(t));
        }
      }
      int outputs = (int) dense.array().getShape().get(0);
      int inputs = (int) (dense.array().getShape().size() / outputs);
      double[][] gram = new double[outputs][outputs];
      for (int i = 0; i < outputs; i++) {
        for (int j = 0; j < outputs; j++) {
          for (int k = 0; k < inputs; k++) {
            gram[i][j] +=
                (after.get(position)[i * inputs + k] - before.get(position)[i * inputs + k])
                    * (double)
                        (after.get(position)[j * inputs + k]
                            - before.get(position)[j * inputs + k]);
          }
        }
      }
      double[] values;
      try (NDManager scope = model.manager().newSubManager()) {
        double[] flat = Arrays.stream(gram).flatMapToDouble(Arrays::stream).toArray();
        values =
            SymmetricEigen.of(scope.create(flat, new Shape(outputs, outputs)))
                .get(0)
                .toDoubleArray();
      }
      assertThat(values[outputs - 1]).isPositive();
      assertThat(values[outputs - 3]).isLessThan(1e-8 * values[outputs - 1]);
    }
  }

  @Test
  void pruningTakesTheSmallestChannels() {
    PruneLora method = new PruneLora(new PruneLora.Parameters(0.5, 1, 1, 1, 1, 1, 1));

    assertThat(method.keep(new double[] {3, 1, 2, 4})).containsExactly(1f, 0f, 0f, 1f);
  }

  private static Influence.Parameters parameters(Influence.Update update, Influence.Loss loss) {
    return new Influence.Parameters(update, loss, RIDGE, 1000, 50, 2000);
  }

  /** Features with a one for the bias. */
  private static double[][] features(int[] samples) {
    try (NDManager manager = NDManager.newBaseManager()) {
      NDList xy = Cases.DATA.batch(manager, samples);
      float[] flat = xy.get(0).toFloatArray();
      int size = flat.length / samples.length;
      double[][] rows = new double[samples.length][size + 1];
      for (int i = 0; i < samples.length; i++) {
        for (int j = 0; j < size; j++) {
          rows[i][j] = flat[i * size + j];
        }
        rows[i][size] = 1;
      }
      return rows;
    }
  }

  /** {@code (XᵀX + λI)⁻¹ XᵀY}, transposed: (classes, features), by Gaussian elimination. */
  private static double[][] ridge(int[] samples) {
    double[][] x = features(samples);
    int d = x[0].length;
    double[][] system = new double[d][d + CLASSES];
    for (int s = 0; s < x.length; s++) {
      int label = Cases.DATA.label(samples[s]);
      for (int i = 0; i < d; i++) {
        for (int j = 0; j < d; j++) {
          system[i][j] += x[s][i] * x[s][j];
        }
        system[i][d + label] += x[s][i];
      }
    }
    for (int i = 0; i < d; i++) {
      system[i][i] += RIDGE;
    }
    for (int p = 0; p < d; p++) {
      for (int i = 0; i < d; i++) {
        if (i != p) {
          double factor = system[i][p] / system[p][p];
          for (int j = p; j < d + CLASSES; j++) {
            system[i][j] -= factor * system[p][j];
          }
        }
      }
    }
    double[][] w = new double[CLASSES][d];
    for (int c = 0; c < CLASSES; c++) {
      for (int i = 0; i < d; i++) {
        w[c][i] = system[i][d + c] / system[i][i];
      }
    }
    return w;
  }

  private static double[][] logisticGradient(double[][] w, int[] samples) {
    double[][] x = features(samples);
    int d = x[0].length;
    double[][] gradient = new double[CLASSES][d];
    for (int s = 0; s < x.length; s++) {
      double[] p = new double[CLASSES];
      double total = 0;
      for (int c = 0; c < CLASSES; c++) {
        for (int i = 0; i < d; i++) {
          p[c] += w[c][i] * x[s][i];
        }
        p[c] = Math.exp(p[c]);
        total += p[c];
      }
      for (int c = 0; c < CLASSES; c++) {
        double error = p[c] / total - (Cases.DATA.label(samples[s]) == c ? 1 : 0);
        for (int i = 0; i < d; i++) {
          gradient[c][i] += error * x[s][i];
        }
      }
    }
    for (int c = 0; c < CLASSES; c++) {
      for (int i = 0; i < d; i++) {
        gradient[c][i] += RIDGE * w[c][i];
      }
    }
    return gradient;
  }

  private static double[][] weights(LoadedModel model) {
    double[] weight = model.weights().get(0).array().toDoubleArray();
    double[] bias = model.weights().get(1).array().toDoubleArray();
    int d = weight.length / CLASSES;
    double[][] w = new double[CLASSES][d + 1];
    for (int c = 0; c < CLASSES; c++) {
      System.arraycopy(weight, c * d, w[c], 0, d);
      w[c][d] = bias[c];
    }
    return w;
  }

  private static void assign(LoadedModel model, double[][] w) {
    int d = w[0].length - 1;
    double[] weight = new double[CLASSES * d];
    double[] bias = new double[CLASSES];
    for (int c = 0; c < CLASSES; c++) {
      System.arraycopy(w[c], 0, weight, c * d, d);
      bias[c] = w[c][d];
    }
    try (NDManager scope = model.manager().newSubManager()) {
      scope.create(weight, new Shape(CLASSES, d)).copyTo(model.weights().get(0).array());
      scope.create(bias).copyTo(model.weights().get(1).array());
    }
  }

  private static double distance(double[][] a, double[][] b) {
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) {
      for (int i = 0; i < a[c].length; i++) {
        sum += Math.pow(a[c][i] - b[c][i], 2);
      }
    }
    return Math.sqrt(sum);
  }

  private static void assertClose(double[][] actual, double[][] expected, double tolerance) {
    for (int c = 0; c < CLASSES; c++) {
      assertThat(actual[c]).containsExactly(expected[c], within(tolerance));
    }
  }
}
