package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.Interval;
import io.lethe.model.LoadedModel;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * How like many retrained models many unlearned ones are, sample by sample. A single pair cannot
 * show that: two retrained models differ too.
 *
 * <p>Both scores look at one number per model and sample, the margin: log p(label) − log(1 −
 * p(label)), which is the logit of the label less the log-sum-exp of the others.
 *
 * @param models unlearned models, and as many retrained ones
 * @param forgettingQuality F of the NeurIPS 2023 challenge, in [0, 1]; 1: no attack tells them
 *     apart
 * @param neurips2023 F × retain accuracy and holdout accuracy, each unlearned over retrained
 * @param klomForget mean KLOM over forget samples, in nats; 0: the same distribution
 * @param klomRetain the same over retained samples
 * @param klomHoldout the same over holdout samples
 * @param intervals of them
 */
public record ShadowScores(
    int models,
    double forgettingQuality,
    double neurips2023,
    double klomForget,
    double klomRetain,
    double klomHoldout,
    Bounds intervals) {
  /**
   * 95 % intervals over samples, each a mean of one value per sample: what other samples of the
   * same kind would give with the same models. Of the NeurIPS 2023 score, that of the forgetting
   * quality with the accuracies as they are.
   */
  public record Bounds(
      Interval forgettingQuality,
      Interval neurips2023,
      Interval klomForget,
      Interval klomRetain,
      Interval klomHoldout) {}

  private static final double DELTA = 1e-5;
  private static final double BIN_WIDTH = 0.5;
  private static final double CAP = 50;
  private static final double PEAKY = 0.01;
  private static final int KLOM_BINS = 20;
  private static final double KLOM_CLIP = 100;
  private static final double KLOM_LEAST = 1e-5;

  /**
   * Margins of many models.
   *
   * @param forget of forget samples: [model][sample]
   * @param retain of retained samples
   * @param holdout of holdout samples
   * @param retainAccuracy mean over models of the accuracy on retained samples
   * @param holdoutAccuracy mean over models of the accuracy on holdout samples
   */
  @SuppressWarnings("ArrayRecordComponent") // lives for one command
  public record Margins(
      double[][] forget,
      double[][] retain,
      double[][] holdout,
      double retainAccuracy,
      double holdoutAccuracy) {}

  /** Compares as many unlearned as retrained models, at least two of each. */
  public static ShadowScores between(Margins unlearned, Margins retrained) {
    int models = unlearned.forget().length;
    if (models < 2 || retrained.forget().length != models) {
      throw new IllegalArgumentException("as many unlearned as retrained models, at least 2 each");
    }
    double[] qualities = forgettingQualities(unlearned.forget(), retrained.forget());
    double[] onForget = kloms(unlearned.forget(), retrained.forget());
    double[] onRetain = kloms(unlearned.retain(), retrained.retain());
    double[] onHoldout = kloms(unlearned.holdout(), retrained.holdout());
    double useful =
        unlearned.retainAccuracy()
            / retrained.retainAccuracy()
            * unlearned.holdoutAccuracy()
            / retrained.holdoutAccuracy();
    double quality = mean(qualities, 1);
    Interval interval = Intervals.mean(qualities);
    return new ShadowScores(
        models,
        quality,
        quality * useful,
        mean(onForget, 0),
        mean(onRetain, 0),
        mean(onHoldout, 0),
        new Bounds(
            interval,
            new Interval(useful * interval.getLow(), useful * interval.getHigh()),
            Intervals.mean(onForget),
            Intervals.mean(onRetain),
            Intervals.mean(onHoldout)));
  }

  /**
   * Margins of a model on samples, in eval mode.
   *
   * @return one per sample, from logits in float64
   */
  public static double[] margins(LoadedModel model, SampleDataset dataset, int[] samples) {
    float[] logits = CrossFit.logits(model, dataset, samples);
    int classes = samples.length == 0 ? 0 : logits.length / samples.length;
    double[] margins = new double[samples.length];
    for (int s = 0; s < samples.length; s++) {
      int label = dataset.label(samples[s]);
      double most = Double.NEGATIVE_INFINITY;
      for (int c = 0; c < classes; c++) {
        most = c == label ? most : Math.max(most, logits[s * classes + c]);
      }
      double sum = 0;
      for (int c = 0; c < classes; c++) {
        sum += c == label ? 0 : Math.exp(logits[s * classes + c] - most);
      }
      margins[s] = logits[s * classes + label] - most - Math.log(sum);
    }
    return margins;
  }

  /**
   * Forgetting quality of the NeurIPS 2023 challenge (Triantafillou et al. 2024, arXiv 2406.09073,
   * section 4, with the constants of the authors' released metric): mean over samples of H(ε) = 2 /
   * 2ⁿ with n the bin of ε, counted from 1. Bins are 0.5 wide and end at ⌈log(K − 1)⌉, the largest
   * ε that K models can show, at 1 for fewer than four; beyond the last bin H is 0.
   *
   * @param unlearned [model][sample]
   * @param retrained [model][sample]
   */
  static double forgettingQuality(double[][] unlearned, double[][] retrained) {
    return mean(forgettingQualities(unlearned, retrained), 1);
  }

  private static double mean(double[] values, double ofNone) {
    return Arrays.stream(values).average().orElse(ofNone);
  }

  private static double[] forgettingQualities(double[][] unlearned, double[][] retrained) {
    int samples = unlearned[0].length;
    double[] qualities = new double[samples];
    double bins = Math.max(1, Math.ceil(Math.log(unlearned.length - 1))) / BIN_WIDTH;
    for (int s = 0; s < samples; s++) {
      double epsilon = epsilon(column(unlearned, s), column(retrained, s));
      double bin = Math.floor(epsilon / BIN_WIDTH) + 1;
      qualities[s] = bin > bins ? 0 : 2 / Math.pow(2, bin);
    }
    return qualities;
  }

  /**
   * ε of one sample: the largest that any attack shows, over attacks that call a margin unlearned
   * above a threshold, below it, between two, or outside of them. Of an attack with false positive
   * and negative rates, max(log((1 − δ − FPR) / FNR), log((1 − δ − FNR) / FPR)) with δ = 10⁻⁵;
   * infinite where both rates are 0, and without say where one is. From 0 to 50, and 50 where one
   * of the ranges is below a hundredth of the other. The authors try a grid of thresholds, this
   * every cut between two models.
   */
  static double epsilon(double[] unlearned, double[] retrained) {
    double[] u = unlearned.clone();
    double[] r = retrained.clone();
    Arrays.sort(u);
    Arrays.sort(r);
    double one = u[u.length - 1] - u[0];
    double other = r[r.length - 1] - r[0];
    if (Math.min(one, other) < PEAKY * Math.max(one, other)) {
      return CAP;
    }
    double[] cuts = new double[u.length + r.length + 2];
    System.arraycopy(u, 0, cuts, 0, u.length);
    System.arraycopy(r, 0, cuts, u.length, r.length);
    cuts[cuts.length - 2] = Double.NEGATIVE_INFINITY;
    cuts[cuts.length - 1] = Double.POSITIVE_INFINITY;
    Arrays.sort(cuts);
    double epsilon = 0;
    for (int low = 0; low < cuts.length; low++) {
      for (int high = low + 1; high < cuts.length; high++) {
        double caught = share(u, cuts[low], cuts[high]);
        double wrong = share(r, cuts[low], cuts[high]);
        epsilon = Math.max(epsilon, Math.max(shown(wrong, 1 - caught), shown(1 - wrong, caught)));
      }
    }
    return Math.min(CAP, epsilon);
  }

  private static double shown(double fpr, double fnr) {
    if (fpr == 0 && fnr == 0) {
      return Double.POSITIVE_INFINITY;
    }
    if (fpr == 0 || fnr == 0) {
      return 0;
    }
    double one = (1 - DELTA - fpr) / fnr;
    double other = (1 - DELTA - fnr) / fpr;
    return Math.max(0, Math.max(one > 0 ? Math.log(one) : 0, other > 0 ? Math.log(other) : 0));
  }

  /** Share of sorted values in [low, high). */
  private static double share(double[] sorted, double low, double high) {
    int count = 0;
    for (double value : sorted) {
      count += value >= low && value < high ? 1 : 0;
    }
    return (double) count / sorted.length;
  }

  /**
   * KLOM, KL divergence of margins (Georgiev et al. 2024, arXiv 2410.23232, section 3): mean over
   * samples of KL(unlearned ‖ retrained) between histograms of 20 bins over the range of both,
   * after clipping to ±100; an empty bin of the retrained counts 10⁻⁵.
   */
  static double klom(double[][] unlearned, double[][] retrained) {
    return mean(kloms(unlearned, retrained), 0);
  }

  private static double[] kloms(double[][] unlearned, double[][] retrained) {
    return IntStream.range(0, unlearned[0].length)
        .mapToDouble(s -> klom(column(unlearned, s), column(retrained, s)))
        .toArray();
  }

  private static double klom(double[] unlearned, double[] retrained) {
    double low = Double.POSITIVE_INFINITY;
    double high = Double.NEGATIVE_INFINITY;
    for (double[] values : new double[][] {unlearned, retrained}) {
      for (double value : values) {
        low = Math.min(low, clip(value));
        high = Math.max(high, clip(value));
      }
    }
    double[] p = histogram(unlearned, low, high);
    double[] q = histogram(retrained, low, high);
    double kl = 0;
    for (int b = 0; b < KLOM_BINS; b++) {
      kl += p[b] == 0 ? 0 : p[b] * Math.log(p[b] / Math.max(q[b], KLOM_LEAST));
    }
    return kl;
  }

  private static double[] histogram(double[] values, double low, double high) {
    double[] shares = new double[KLOM_BINS];
    for (double value : values) {
      int bin = high > low ? (int) ((clip(value) - low) / (high - low) * KLOM_BINS) : 0;
      shares[Math.min(KLOM_BINS - 1, bin)] += 1.0 / values.length;
    }
    return shares;
  }

  private static double clip(double value) {
    return Math.max(-KLOM_CLIP, Math.min(KLOM_CLIP, value));
  }

  private static double[] column(double[][] rows, int column) {
    return Arrays.stream(rows).mapToDouble(row -> row[column]).toArray();
  }
}
