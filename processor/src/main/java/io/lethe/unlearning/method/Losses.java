package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossEntropy;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningTask;

/** Losses of a task's model, in eval mode; scalars in nats, differentiable in the weights. */
final class Losses {
  /** Samples per set on which a method measures itself. */
  static final int CALIBRATION_SAMPLES = 1_000;

  private Losses() {}

  /** Mean cross-entropy over samples of the training dataset. */
  static NDArray crossEntropy(UnlearningTask task, NDManager scope, int[] samples) {
    NDList xy = task.dataset().batch(scope, samples);
    LoadedModel model = task.model();
    return CrossEntropy.perSample(
            model.logits(xy.get(0).toType(model.dataType(), false)), xy.get(1))
        .mean();
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
