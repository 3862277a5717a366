package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.LayersInARow;
import io.lethe.unlearning.SymmetricEigen;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Residual features and adapters: what each hyperparameter does. */
class ResidualLoraTest {
  private static final int STEPS = 60;

  private LoadedModel model;
  private NDList anchor;

  @BeforeEach
  void train() {
    model = Cases.trained();
    anchor = model.copyWeights(model.manager());
  }

  @AfterEach
  void close() {
    model.close();
  }

  @Test
  void theResidualIsWhatLayersPutOutBeyondTheAnchorsRelativeToThat() {
    int[] samples = {40, 41, 42};
    LayersInARow row = LayersInARow.of(model).orElseThrow();
    try (NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      NDArray x = Cases.DATA.batch(scope, samples).get(0);
      List<float[]> before = row.run(x).stream().map(NDArray::toFloatArray).toList();
      NDArray kernel = model.weights().get(0).array();
      kernel.muli(1.25f);
      List<float[]> after = row.run(x).stream().map(NDArray::toFloatArray).toList();
      double expected = 0;
      for (int l = 1; l < before.size(); l++) {
        double residual = 0;
        double feature = 0;
        for (int i = 0; i < before.get(l).length; i++) {
          residual += Math.pow((double) after.get(l)[i] - before.get(l)[i], 2);
          feature += Math.pow(before.get(l)[i], 2);
        }
        expected += residual / feature;
      }

      double moved = residual(Cases.records(model), samples);
      model.assignWeights(anchor);
      double still = residual(Cases.records(model), samples);

      assertThat(expected).isGreaterThan(0.1);
      assertThat(moved).isEqualTo(expected, within(1e-4 * expected));
      assertThat(still).isZero();
    }
  }

  @Test
  void theStepHasTheRankOfTheAdapters() {
    double[] ofOne = singularSquares(parameters(1, 16, 1, 3));
    double[] ofThree = singularSquares(parameters(3, 16, 1, 3));

    int last = ofOne.length - 1;
    assertThat(ofOne[last]).isPositive();
    assertThat(ofOne[last - 1]).isLessThan(1e-8 * ofOne[last]);
    assertThat(ofThree[last - 2]).isGreaterThan(1e-6 * ofThree[last]);
    assertThat(ofThree[last - 3]).isLessThan(1e-8 * ofThree[last]);
  }

  /** B begins as zero, and the first step of Adam does not know the scale of its gradient. */
  @Test
  void theFirstStepGrowsWithAlpha() {
    double small = sum(singularSquares(parameters(4, 8, 1, 1)));
    double large = sum(singularSquares(parameters(4, 24, 1, 1)));

    assertThat(Math.sqrt(large / small)).isEqualTo(3, within(0.1));
  }

  @Test
  void recordsAreShiftedToTheLossOnUnseenSamplesAndAClassFourTimesAsFar() {
    double records = shifted(Cases.records(model), parameters(8, 16, 1, 200));
    double ofClass = shifted(Cases.wholeClass(model, 1), parameters(8, 16, 1, 200));

    assertThat(records).isBetween(0.7, 1.4);
    assertThat(ofClass).isBetween(2.8, 5.6);
  }

  @Test
  void theLighterTheShiftTheLessIsForgottenAndTheMoreIsHeld() {
    UnlearningTask task = Cases.records(model);
    double full = shifted(task, parameters(8, 16, 1, STEPS));
    double moved = residual(task, Cases.RETAIN);
    double light = shifted(task, parameters(8, 16, 1e-3, STEPS));

    assertThat(light).isLessThan(0.5 * full);
    assertThat(residual(task, Cases.RETAIN)).isLessThan(0.5 * moved);
  }

  private static ResidualLora.Parameters parameters(
      int rank, double alpha, double shiftWeight, int steps) {
    return new ResidualLora.Parameters(rank, alpha, shiftWeight, 3000, steps, 40, 96, 5e-3);
  }

  /** From the anchor: the loss on forget samples over the anchor's on unseen ones. */
  private double shifted(UnlearningTask task, ResidualLora.Parameters parameters) {
    model.assignWeights(anchor);
    double unseen = Losses.unseenLoss(task);
    new ResidualLora(parameters).apply(task);
    return Cases.loss(model, task.forget()) / unseen;
  }

  private double residual(UnlearningTask task, int[] samples) {
    try (NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      LayersInARow row = LayersInARow.of(model).orElseThrow();
      return ResidualLora.residual(task, row, anchor, scope, samples)
          .toType(DataType.FLOAT64, false)
          .getDouble();
    }
  }

  /** Of the change of the dense layer's weight, ascending. */
  private double[] singularSquares(ResidualLora.Parameters parameters) {
    model.assignWeights(anchor);
    int dense =
        model.weights().stream().map(LoadedModel.Weight::name).toList().indexOf("dense.weight");
    new ResidualLora(parameters).apply(Cases.records(model));
    try (NDManager scope = model.manager().newSubManager()) {
      NDArray weight = model.weights().get(dense).array();
      long outputs = weight.getShape().get(0);
      NDArray change =
          weight
              .sub(anchor.get(dense))
              .reshape(new Shape(outputs, -1))
              .toType(DataType.FLOAT64, false);
      change.attach(scope);
      return SymmetricEigen.of(change.matMul(change.transpose())).get(0).toDoubleArray();
    }
  }

  private static double sum(double[] values) {
    return Arrays.stream(values).sum();
  }
}
