package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Optimizer;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The loss of {@link HeldoutMatch} and its gradient in the logits, in double precision.
 *
 * <p>The gradient is written down rather than recorded: a minibatch has a few thousand logits, and
 * some eighty operations on arrays as small as that took two fifths of a step of the network they
 * train. With d the differences of log-probabilities, p the model's and q the target's
 * probabilities,
 *
 * <pre>
 *   ∂KL(q ‖ p) / ∂z       = p − q
 *   ∂Σ_c d_c² / ∂z        = 2 (d − p Σ_c d_c)
 *   ∂m / ∂z_y             = 1
 *   ∂m / ∂z_c             = −p_c / (1 − p_y)   for c ≠ y
 * </pre>
 */
final class Matching {
  private final int classes;
  private double loss;
  private final double[] logP;
  private final double[] logQ;

  private Matching(int classes) {
    this.classes = classes;
    logP = new double[classes];
    logQ = new double[classes];
  }

  /**
   * Loss and gradient of a minibatch.
   *
   * @param loss see {@link HeldoutMatch}, in nats
   * @param gradient of it in the logits, row-major (forget + retain, classes)
   */
  @SuppressWarnings("ArrayRecordComponent") // lives for a step
  record Result(double loss, float[] gradient) {}

  /**
   * One update toward targets on forget samples, and toward what is held on retained ones.
   *
   * @param hold logits to hold on the retained samples
   * @param targets of the forget samples
   * @param forget may be empty
   * @return the loss before it
   */
  static double step(
      UnlearningTask task,
      Optimizer optimizer,
      NDManager scope,
      double rate,
      HeldOutTargets hold,
      int[] retain,
      HeldOutTargets targets,
      int[] forget,
      HeldoutMatch.Weights weights,
      HeldoutMatch.Outputs outputs) {
    int[] both = IntStream.concat(Arrays.stream(forget), Arrays.stream(retain)).toArray();
    NDArray logits = outputs.of(both, scope);
    Result result =
        of(
            logits.toType(DataType.FLOAT32, false).toFloatArray(),
            forget.length == 0 ? new float[0] : targets.logits(forget),
            hold.logits(retain),
            Arrays.stream(forget).map(task.dataset()::label).toArray(),
            hold.classes(),
            weights);
    NDArray gradient =
        scope
            .create(result.gradient(), new Shape(both.length, hold.classes()))
            .toType(logits.getDataType(), false);
    optimizer.step(logits, gradient, rate);
    return result.loss();
  }

  /**
   * One update toward the labels of samples, by their mean cross-entropy.
   *
   * @return the loss before it
   */
  static double toLabels(
      UnlearningTask task,
      Optimizer optimizer,
      NDManager scope,
      double rate,
      int[] samples,
      HeldoutMatch.Outputs outputs) {
    NDArray logits = outputs.of(samples, scope);
    Result result =
        ofLabels(
            logits.toType(DataType.FLOAT32, false).toFloatArray(),
            Arrays.stream(samples).map(task.dataset()::label).toArray());
    optimizer.step(
        logits,
        scope.create(result.gradient(), logits.getShape()).toType(logits.getDataType(), false),
        rate);
    return result.loss();
  }

  /**
   * Mean cross-entropy.
   *
   * @param logits row-major (samples, classes)
   */
  static Result ofLabels(float[] logits, int[] labels) {
    Matching matching = new Matching(logits.length / labels.length);
    float[] gradient = new float[logits.length];
    for (int row = 0; row < labels.length; row++) {
      logSoftmax(logits, row * matching.classes, matching.logP);
      matching.loss -= matching.logP[labels[row]] / labels.length;
      for (int c = 0; c < matching.classes; c++) {
        double wanted = c == labels[row] ? 1 : 0;
        gradient[row * matching.classes + c] =
            (float) ((Math.exp(matching.logP[c]) - wanted) / labels.length);
      }
    }
    return new Result(matching.loss, gradient);
  }

  /**
   * @param logits the model's, row-major (forget + retain, classes)
   * @param targets logits of the forget samples, likewise
   * @param hold logits of the retained samples
   * @param labels y of each forget sample
   */
  static Result of(
      float[] logits,
      float[] targets,
      float[] hold,
      int[] labels,
      int classes,
      HeldoutMatch.Weights weights) {
    Matching matching = new Matching(classes);
    float[] gradient = new float[logits.length];
    for (int row = 0; row < labels.length; row++) {
      matching.divergence(logits, row, targets, row, labels.length, weights.square(), gradient);
      matching.margin(labels[row], row, weights.margin() / labels.length, gradient);
    }
    int retained = hold.length / classes;
    for (int row = 0; row < retained; row++) {
      matching.divergence(
          logits, labels.length + row, hold, row, retained, weights.hold(), gradient);
    }
    return new Result(matching.loss, gradient);
  }

  /** Adds (KL + w Σ d² / C) / rows. */
  private void divergence(
      float[] logits,
      int row,
      float[] wanted,
      int wantedRow,
      int rows,
      double squareWeight,
      float[] gradient) {
    logSoftmax(logits, row * classes, logP);
    logSoftmax(wanted, wantedRow * classes, logQ);
    double square = squareWeight / classes;
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      double d = logP[c] - logQ[c];
      loss += (square * d * d - Math.exp(logQ[c]) * d) / rows;
      sum += d;
    }
    for (int c = 0; c < classes; c++) {
      double p = Math.exp(logP[c]);
      double ofSquares = 2 * square * (logP[c] - logQ[c] - p * sum);
      gradient[row * classes + c] = (float) ((p - Math.exp(logQ[c]) + ofSquares) / rows);
    }
  }

  /** Adds the weighted square of the difference of margins in the row just looked at. */
  private void margin(int label, int row, double weight, float[] gradient) {
    double others = logOfOthers(logP, label);
    double difference = logP[label] - others - (logQ[label] - logOfOthers(logQ, label));
    loss += weight * difference * difference;
    double slope = 2 * weight * difference;
    for (int c = 0; c < classes; c++) {
      gradient[row * classes + c] +=
          (float) (c == label ? slope : -slope * Math.exp(logP[c] - others));
    }
  }

  /** log (1 − p_y), without the loss of digits where p_y is nearly 1. */
  private static double logOfOthers(double[] logP, int label) {
    double most = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < logP.length; c++) {
      most = c == label ? most : Math.max(most, logP[c]);
    }
    double sum = 0;
    for (int c = 0; c < logP.length; c++) {
      sum += c == label ? 0 : Math.exp(logP[c] - most);
    }
    return most + Math.log(sum);
  }

  private static void logSoftmax(float[] logits, int from, double[] logP) {
    double most = Double.NEGATIVE_INFINITY;
    for (int c = 0; c < logP.length; c++) {
      most = Math.max(most, logits[from + c]);
    }
    double sum = 0;
    for (int c = 0; c < logP.length; c++) {
      sum += Math.exp(logits[from + c] - most);
    }
    double all = most + Math.log(sum);
    for (int c = 0; c < logP.length; c++) {
      logP[c] = logits[from + c] - all;
    }
  }

  /**
   * The margin m of a row of logits: log p_y − log (1 − p_y).
   *
   * @param from first of the row's values
   */
  static double margin(float[] logits, int from, int classes, int label) {
    double[] row = new double[classes];
    logSoftmax(logits, from, row);
    return row[label] - logOfOthers(row, label);
  }
}
