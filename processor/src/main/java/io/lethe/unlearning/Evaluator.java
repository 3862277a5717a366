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
   * @param hits whether the likeliest class is the label
   */
  @SuppressWarnings("ArrayRecordComponent") // passed on within a measurement
  public record Scores(double[] losses, boolean[] hits) {
    /** Number of samples whose likeliest class is the label. */
    int correct() {
      int correct = 0;
      for (boolean hit : hits) {
        correct += hit ? 1 : 0;
      }
      return correct;
    }

    /** Share of samples whose likeliest class is the label; 0 of none. */
    public double accuracy() {
      return hits.length == 0 ? 0 : (double) correct() / hits.length;
    }

    SetMetrics metrics() {
      return new SetMetrics(accuracy(), Arrays.stream(losses).average().orElse(0), losses.length);
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
        MembershipAuc.of(onForget.losses(), onHoldout.losses()));
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
    boolean[] hits = new boolean[samples.length];
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
          boolean[] hit = logits.argMax(1).eq(xy.get(1)).toBooleanArray();
          System.arraycopy(hit, 0, hits, from, hit.length);
        }
        progress.at(JobStage.EVALUATE, done + from + batch.length, total);
      }
    }
    return new Scores(losses, hits);
  }
}
