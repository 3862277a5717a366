package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossEntropy;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningTask;

/** Losses of a task's model, in eval mode; scalars in nats, differentiable in the weights. */
final class Losses {
  /** Samples per set on which a method measures itself. */
  static final int CALIBRATION_SAMPLES = 1_000;

  /** Far below any log-probability, and far from the end of float32. */
  private static final double OUT_OF_REACH = 1e6;

  private Losses() {}

  /** Mean cross-entropy over samples of the training dataset. */
  static NDArray crossEntropy(UnlearningTask task, NDManager scope, int[] samples) {
    NDList xy = task.dataset().batch(scope, samples);
    LoadedModel model = task.model();
    return CrossEntropy.perSample(
            model.logits(xy.get(0).toType(model.dataType(), false)), xy.get(1))
        .mean();
  }

  /** Log-probabilities that targets give samples, (samples, classes), in the model's type. */
  static NDArray logP(UnlearningTask task, NDManager scope, HeldOutTargets targets, int[] samples) {
    return scope
        .create(targets.logits(samples), new Shape(samples.length, targets.classes()))
        .toType(task.model().dataType(), false)
        .logSoftmax(1);
  }

  /**
   * Mean over samples of KL(target ‖ model), plus the weighted mean square, over samples and
   * classes, of the differences of log-probabilities.
   *
   * @param target log-probabilities (samples, classes)
   * @param logP the model's, likewise
   */
  static NDArray divergence(NDArray target, NDArray logP, double squareWeight) {
    NDArray difference = target.sub(logP);
    NDArray loss = target.exp().mul(difference).sum(new int[] {1}).mean();
    return squareWeight == 0 ? loss : loss.add(difference.square().mean().mul(squareWeight));
  }

  /**
   * Mean square of the differences of the label's margin, {@code log p_y − log(1 − p_y)}.
   *
   * @param target log-probabilities (samples, classes)
   * @param logP the model's, likewise
   * @param labels y of each sample
   */
  static NDArray marginDifference(NDArray target, NDArray logP, int[] labels) {
    NDArray ofLabel =
        logP.getManager()
            .create(labels)
            .oneHot((int) logP.getShape().get(1))
            .toType(logP.getDataType(), false);
    return margin(target, ofLabel).sub(margin(logP, ofLabel)).square().mean();
  }

  private static NDArray margin(NDArray logP, NDArray ofLabel) {
    NDArray others = logP.sub(ofLabel.mul(OUT_OF_REACH));
    NDArray most = others.max(new int[] {1}, true);
    NDArray rest = others.sub(most).exp().sum(new int[] {1}).log().add(most.squeeze(1));
    return logP.mul(ofLabel).sum(new int[] {1}).sub(rest);
  }

  /** Seeded samples that the model never saw, at most {@value #CALIBRATION_SAMPLES}. */
  static SampleSet unseen(UnlearningTask task) {
    SampleSet unseen =
        task.unseen()
            .orElseThrow(() -> new UnlearningException("no samples that the model never saw"));
    return new SampleSet(unseen.dataset(), some(unseen.positions(), task.seed()));
  }

  /** Seeded samples, at most {@value #CALIBRATION_SAMPLES}. */
  static int[] some(int[] pool, long seed) {
    return Sampling.choose(pool, CALIBRATION_SAMPLES, Sampling.mix(seed, Sampling.CALIBRATION));
  }

  /** Mean cross-entropy of the model as it stands on samples that it never saw. */
  static double unseenLoss(UnlearningTask task) {
    SampleSet unseen = unseen(task);
    return Evaluator.score(task.model(), unseen.dataset(), unseen.positions()).metrics().getLoss();
  }
}
