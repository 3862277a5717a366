package io.lethe.unlearning.method;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.events.JobStage;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.UnlearningMethod.Trial;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleConsumer;

/**
 * Finds the share of weights to change by bisection on the forget gap: the mean loss on forget
 * samples minus the mean loss on samples that the model never saw. Below zero the model still knows
 * them, above it has over-forgotten, which can be seen as well. Of a whole class a model that never
 * saw it knows nothing, so that the gap there has no upper end: the retained samples alone bound
 * it.
 *
 * <p>Fisher diagonals are cached, so a trial costs forward passes only: it changes the weights
 * without any repair and measures on at most {@value Losses#CALIBRATION_SAMPLES} samples of each
 * set. Bounded and deterministic; leaves the model as it found it.
 */
final class ThresholdSearch {
  /**
   * Bounds of a search.
   *
   * @param trials shares that are tried, ≥ 1
   * @param maxRetainDrop drop of the accuracy on retained samples that a trial may cost, before any
   *     repair, 0 to 1
   * @param smallest share that may be tried, above 0
   * @param largest share that may be tried, below 1
   */
  record Bounds(int trials, double maxRetainDrop, double smallest, double largest) {
    Bounds {
      Ranges.atLeast("trials", trials, 1);
      Ranges.within("maxRetainDrop", maxRetainDrop, 0, 1);
      Ranges.require(
          0 < smallest && smallest < largest && largest < 1,
          "shares to search must be 0 < smallest < largest < 1, not %s and %s",
          smallest,
          largest);
    }
  }

  /**
   * What a search found.
   *
   * @param share of all weights
   * @param trials in their order, one of them chosen
   */
  record Found(double share, List<Trial> trials) {}

  private final UnlearningTask task;
  private final Bounds bounds;
  private final SampleSet unseen;
  private final int[] forget;
  private final int[] retained;
  private final boolean wholeClasses;

  /** For a task with forget samples and samples that the model never saw. */
  ThresholdSearch(UnlearningTask task, Bounds bounds) {
    this.task = task;
    this.bounds = bounds;
    wholeClasses = !task.forgetClasses().isEmpty();
    unseen = Losses.unseen(task);
    forget = Losses.some(task.forget(), task.seed());
    retained = Losses.some(task.repairPool(), task.seed());
  }

  /**
   * Bisects the logarithm of the share. Of the trials that keep the retained samples the one of the
   * smallest absolute gap, or for whole classes of the largest gap, is chosen; where none does, the
   * one that costs them least.
   *
   * @param change changes the model's weights, which are the anchor's, for a share
   */
  Found run(DoubleConsumer change) {
    try (NDManager scope = task.model().manager().newSubManager()) {
      NDList original = task.model().copyWeights(scope);
      double before = accuracy();
      double low = Math.log(bounds.smallest());
      double high = Math.log(bounds.largest());
      List<Trial> trials = new ArrayList<>();
      for (int n = 0; n < bounds.trials(); n++) {
        task.progress().at(JobStage.METHOD, n, bounds.trials());
        double middle = (low + high) / 2;
        change.accept(Math.exp(middle));
        Trial trial = measure(Math.exp(middle), before);
        task.model().assignWeights(original);
        trials.add(trial);
        if (trial.kept() && (wholeClasses || trial.forgetGap() < 0)) {
          low = middle;
        } else {
          high = middle;
        }
      }
      task.progress().at(JobStage.METHOD, bounds.trials(), bounds.trials());
      return choose(trials, wholeClasses);
    }
  }

  private Trial measure(double share, double before) {
    double gap =
        Evaluator.score(task.model(), task.dataset(), forget).metrics().getLoss()
            - Evaluator.score(task.model(), unseen.dataset(), unseen.positions())
                .metrics()
                .getLoss();
    double drop = before - accuracy();
    return new Trial(share, gap, drop, drop <= bounds.maxRetainDrop(), false);
  }

  private double accuracy() {
    return Evaluator.score(task.model(), task.dataset(), retained).metrics().getAccuracy();
  }

  private static Found choose(List<Trial> trials, boolean wholeClasses) {
    boolean anyKept = trials.stream().anyMatch(Trial::kept);
    Trial best = null;
    for (Trial trial : trials) {
      if (anyKept && !trial.kept()) {
        continue;
      }
      if (best == null || cost(trial, anyKept, wholeClasses) < cost(best, anyKept, wholeClasses)) {
        best = trial;
      }
    }
    Trial chosen = best;
    return new Found(
        chosen.share(),
        trials.stream()
            .map(
                trial ->
                    new Trial(
                        trial.share(),
                        trial.forgetGap(),
                        trial.retainDrop(),
                        trial.kept(),
                        trial == chosen))
            .toList());
  }

  private static double cost(Trial trial, boolean anyKept, boolean wholeClasses) {
    if (!anyKept) {
      return trial.retainDrop();
    }
    return wholeClasses ? -trial.forgetGap() : Math.abs(trial.forgetGap());
  }
}
