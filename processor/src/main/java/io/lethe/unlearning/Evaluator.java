package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.Evaluation;
import io.lethe.events.JobStage;
import io.lethe.events.SetMetrics;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;

/**
 * Measures models on fixed samples: what they must forget, what they must keep, and what they never
 * saw. The same evaluator gives figures that may be compared.
 */
public final class Evaluator {
  private static final int BATCH = 256;

  private final SampleDataset dataset;
  private final int[] forget;
  private final int[] retain;
  private final SampleDataset holdout;
  private final int[] holdoutSamples;

  /**
   * @param dataset the training dataset
   * @param forget positions in it that must be forgotten
   * @param retain positions in it that stay
   * @param holdout where the holdout samples lie, perhaps in {@code dataset} too
   * @param holdoutSamples positions in {@code holdout}
   */
  public Evaluator(
      SampleDataset dataset,
      int[] forget,
      int[] retain,
      SampleDataset holdout,
      int[] holdoutSamples) {
    this.dataset = dataset;
    this.forget = forget.clone();
    this.retain = retain.clone();
    this.holdout = holdout;
    this.holdoutSamples = holdoutSamples.clone();
  }

  /**
   * What a model says about some samples.
   *
   * @param losses −log p(label), in nats
   * @param correct number of samples whose likeliest class is the label
   */
  @SuppressWarnings("ArrayRecordComponent") // passed on within a measurement
  public record Scores(double[] losses, int correct) {
    /** Accuracy, mean loss and number of samples. */
    public SetMetrics metrics() {
      int n = losses.length;
      return new SetMetrics(
          n == 0 ? 0 : (double) correct / n, Arrays.stream(losses).average().orElse(0), n);
    }
  }

  /** Accuracy and mean cross-entropy on the three sets, and the membership AUC. */
  public Evaluation evaluate(LoadedModel model, Progress progress) {
    long total = (long) forget.length + retain.length + holdoutSamples.length;
    Scores onForget = score(model, dataset, forget, progress, 0, total);
    Scores onRetain = score(model, dataset, retain, progress, forget.length, total);
    Scores onHoldout =
        score(
            model, holdout, holdoutSamples, progress, (long) forget.length + retain.length, total);
    return new Evaluation(
        onForget.metrics(),
        onRetain.metrics(),
        onHoldout.metrics(),
        membershipAuc(onForget.losses(), onHoldout.losses()));
  }

  /** Losses and hits of a model on samples, in eval mode. */
  public static Scores score(LoadedModel model, SampleDataset dataset, int[] samples) {
    return score(model, dataset, samples, Progress.NONE, 0, samples.length);
  }

  private static Scores score(
      LoadedModel model,
      SampleDataset dataset,
      int[] samples,
      Progress progress,
      long done,
      long total) {
    double[] losses = new double[samples.length];
    int correct = 0;
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = model.manager().newSubManager()) {
          NDList xy = dataset.batch(scope, batch);
          NDArray logits = model.logits(xy.get(0).toType(model.dataType(), false));
          double[] loss =
              CrossEntropy.perSample(logits, xy.get(1))
                  .toType(DataType.FLOAT64, false)
                  .toDoubleArray();
          System.arraycopy(loss, 0, losses, from, loss.length);
          correct +=
              (int) logits.argMax(1).eq(xy.get(1)).toType(DataType.INT64, false).sum().getLong();
        }
        progress.at(JobStage.EVALUATE, done + from + batch.length, total);
      }
    }
    return new Scores(losses, correct);
  }

  /**
   * Area under the ROC curve of the attack of Yeom et al. (CSF 2018, arXiv 1709.01604), which takes
   * samples of low loss for members: the chance that a random forget sample has a lower loss than a
   * random holdout sample, ties counted half. 0.5 where either set is empty.
   */
  static double membershipAuc(double[] forget, double[] holdout) {
    if (forget.length == 0 || holdout.length == 0) {
      return 0.5;
    }
    double[] members = forget.clone();
    double[] others = holdout.clone();
    Arrays.sort(members);
    Arrays.sort(others);
    double wins = 0;
    int below = 0;
    int upTo = 0;
    for (double loss : members) {
      while (below < others.length && others[below] < loss) {
        below++;
      }
      upTo = Math.max(upTo, below);
      while (upTo < others.length && others[upTo] == loss) {
        upTo++;
      }
      wins += others.length - upTo + 0.5 * (upTo - below);
    }
    return wins / ((double) members.length * others.length);
  }
}
