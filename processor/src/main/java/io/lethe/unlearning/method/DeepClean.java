package io.lethe.unlearning.method;

import io.lethe.events.DeepCleanParameters;
import io.lethe.events.JobStage;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/**
 * DeepClean (Shi et al. 2023, arXiv 2311.10448).
 *
 * <p>With the diagonals of the Fisher information over forget and retain samples, {@code I_f = S_E
 * / m} and {@code I_r = S_R / (N − m)}, the weights with {@code r_i = I_f,i / I_r,i > γ} are set to
 * zero, and only those are fine-tuned on retained samples: here on a seeded reservoir, so that the
 * cost does not grow with the dataset, and with running statistics frozen. A weight that matters to
 * no retained sample has r = ∞, one that matters to no sample at all r = 0.
 *
 * <p>γ is absolute, a quantile over all weights of the model, or the quantile that a {@link
 * ThresholdSearch} finds. The repair goes toward the retained samples' labels, as in the paper, or
 * toward held-out targets as {@link HeldoutMatch} does. Alone it dampens more than it erases; its
 * control is {@link RandomMask}.
 */
public final class DeepClean implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "deepclean";

  private static final double SMALLEST_SHARE = 0.001;
  private static final double LARGEST_SHARE = 0.5;

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Applied apply(UnlearningTask task) {
    DeepCleanParameters parameters = task.policy().getDeepclean();
    check(parameters);
    task.progress().at(JobStage.METHOD, 0, 1);
    long start = System.nanoTime();
    float[][] ratios = ratios(task.retainSums(), task.erasedSums());
    List<Trial> trials = List.of();
    List<BitSet> selection;
    if (parameters.getSearchTrials() > 0) {
      ThresholdSearch.Found found = search(task, ratios);
      trials = found.trials();
      selection = highest(ratios, found.share());
    } else if (parameters.getGamma().isPresent()) {
      selection = above(ratios, parameters.getGamma().get());
    } else {
      selection = highest(ratios, parameters.getQuantile().orElseThrow());
    }
    double selecting = (System.nanoTime() - start) * 1e-9;
    task.progress().at(JobStage.METHOD, 1, 1);
    MaskedRepair.Seconds seconds = new MaskedRepair(task).run(selection);
    return new Applied(
        selection.stream().map(BitSet::cardinality).toList(),
        task.retainSums().size(),
        selecting + seconds.zero(),
        seconds.repair(),
        trials);
  }

  private static ThresholdSearch.Found search(UnlearningTask task, float[][] ratios) {
    DeepCleanParameters parameters = task.policy().getDeepclean();
    ThresholdSearch.Bounds bounds =
        new ThresholdSearch.Bounds(
            parameters.getSearchTrials(),
            parameters.getSearchMaxRetainDrop(),
            SMALLEST_SHARE,
            LARGEST_SHARE);
    return new ThresholdSearch(task, bounds)
        .run(share -> new MaskedRepair(task).zero(highest(ratios, share)));
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    DeepCleanParameters parameters = task.policy().getDeepclean();
    return Needs.fisherSums(task)
        .or(() -> parameters.getTowardTargets() ? toward(task) : Optional.empty())
        .or(
            () ->
                parameters.getSearchTrials() > 0
                    ? Needs.forgetSamples(task).or(() -> Needs.unseenSamples(task))
                    : Optional.empty());
  }

  private static Optional<String> toward(UnlearningTask task) {
    return Needs.forgetSamples(task).or(() -> Needs.targets(task));
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new RandomMask(applied.selected());
  }

  private static void check(DeepCleanParameters parameters) {
    int given =
        (parameters.getGamma().isPresent() ? 1 : 0)
            + (parameters.getQuantile().isPresent() ? 1 : 0)
            + (parameters.getSearchTrials() > 0 ? 1 : 0);
    if (given != 1) {
      throw new UnlearningException("deepclean takes either gamma, quantile or a search");
    }
    if (parameters.getSearchTrials() < 0
        || !(parameters.getSearchMaxRetainDrop() >= 0)
        || !(parameters.getSearchMaxRetainDrop() <= 1)) {
      throw new UnlearningException(
          "deepclean takes no negative number of trials, and a retain drop from 0 to 1");
    }
    double quantile = parameters.getQuantile().orElse(0.5);
    if (!(quantile > 0 && quantile < 1) || !(parameters.getGamma().orElse(0.0) >= 0)) {
      throw new UnlearningException(
          "deepclean takes a quantile between 0 and 1, or a gamma that is not negative");
    }
    if (parameters.getReservoirSamples() < 1
        || parameters.getRepairEpochs() < 0
        || parameters.getRepairBatch() < 1
        || !(parameters.getRepairLearningRate() > 0)) {
      throw new UnlearningException(
          "deepclean takes a positive reservoir, repair batch and learning rate");
    }
  }

  /** {@code (S_E / m) / (S_R / n)} per weight. */
  static float[][] ratios(FisherDiagonal retain, FisherDiagonal erased) {
    if (retain.samples() == 0 || erased.samples() == 0) {
      throw new UnlearningException(
          "deepclean compares %d erased with %d retained samples"
              .formatted(erased.samples(), retain.samples()));
    }
    double scale = (double) retain.samples() / erased.samples();
    float[][] ratios = new float[retain.tensors().size()][];
    for (int t = 0; t < ratios.length; t++) {
      float[] r = retain.tensors().get(t).values();
      float[] e = erased.tensors().get(t).values();
      ratios[t] = new float[r.length];
      for (int i = 0; i < r.length; i++) {
        ratios[t][i] = e[i] == 0 ? 0 : (float) (scale * e[i] / r[i]);
      }
    }
    return ratios;
  }

  /** Weights whose ratio exceeds γ. */
  static List<BitSet> above(float[][] ratios, double gamma) {
    List<BitSet> selection = new ArrayList<>();
    for (float[] tensor : ratios) {
      BitSet selected = new BitSet(tensor.length);
      for (int i = 0; i < tensor.length; i++) {
        selected.set(i, tensor[i] > gamma);
      }
      selection.add(selected);
    }
    return selection;
  }

  /**
   * The given share of all weights, of the highest ratios; of equal ratios at the edge the first in
   * the model's order. Weights of ratio 0 are never selected.
   */
  static List<BitSet> highest(float[][] ratios, double share) {
    int total = Arrays.stream(ratios).mapToInt(tensor -> tensor.length).sum();
    float[] sorted = new float[total];
    int at = 0;
    for (float[] tensor : ratios) {
      System.arraycopy(tensor, 0, sorted, at, tensor.length);
      at += tensor.length;
    }
    Arrays.sort(sorted);
    int count = (int) Math.round(share * total);
    float edge = count == 0 ? Float.POSITIVE_INFINITY : sorted[total - count];
    List<BitSet> selection = above(ratios, edge);
    int left = count - selection.stream().mapToInt(BitSet::cardinality).sum();
    for (int t = 0; t < ratios.length && left > 0 && edge > 0; t++) {
      for (int i = 0; i < ratios[t].length && left > 0; i++) {
        if (ratios[t][i] == edge) {
          selection.get(t).set(i);
          left--;
        }
      }
    }
    return selection;
  }
}
