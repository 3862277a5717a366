package io.lethe.unlearning.method;

import io.lethe.events.DeepCleanParameters;
import io.lethe.events.JobStage;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.unlearning.DefaultPolicy;
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

  /**
   * Hyperparameters. One of γ, a quantile and a search says which weights are selected; a policy's
   * text by the method's name that gives one of them takes the place of what its record gives.
   *
   * @param gamma absolute threshold on r, ≥ 0
   * @param quantile share of all weights, those of the highest r, between 0 and 1
   * @param searchTrials shares that a search tries; 0 for no search
   * @param searchMaxRetainDrop accuracy on retained samples that a trial may cost, 0 to 1
   * @param towardTargets whether the repair goes toward held-out targets
   * @param reservoirSamples retained samples that the repair trains on, ≥ 1
   * @param repairEpochs passes over them, ≥ 0
   * @param repairLearningRate Adam's rate, > 0
   * @param repairBatch samples per step, ≥ 1
   */
  public record Parameters(
      Optional<Double> gamma,
      Optional<Double> quantile,
      int searchTrials,
      double searchMaxRetainDrop,
      boolean towardTargets,
      int reservoirSamples,
      int repairEpochs,
      double repairLearningRate,
      int repairBatch) {
    /** What a policy has where its owner says nothing. */
    static final Parameters DEFAULT = of(DefaultPolicy.get().getDeepclean());

    /** As a policy says them: its record, and above it its text by the method's name. */
    static Parameters of(UnlearningPolicy policy) {
      return over(policy, NAME, of(policy.getDeepclean()));
    }

    /** As {@link #of(UnlearningPolicy)}, with the text by another method's name above them. */
    static Parameters of(UnlearningPolicy policy, String method) {
      return over(policy, method, of(policy));
    }

    private static Parameters over(UnlearningPolicy policy, String method, Parameters record) {
      Parameters read = ParameterText.read(policy, method, record.without());
      return read.selections() > 0 ? read : ParameterText.read(policy, method, record);
    }

    private static Parameters of(DeepCleanParameters record) {
      return new Parameters(
          record.getGamma(),
          record.getQuantile(),
          record.getSearchTrials(),
          record.getSearchMaxRetainDrop(),
          record.getTowardTargets(),
          record.getReservoirSamples(),
          record.getRepairEpochs(),
          record.getRepairLearningRate(),
          record.getRepairBatch());
    }

    private Parameters without() {
      return new Parameters(
          Optional.empty(),
          Optional.empty(),
          0,
          searchMaxRetainDrop,
          towardTargets,
          reservoirSamples,
          repairEpochs,
          repairLearningRate,
          repairBatch);
    }

    private int selections() {
      return (gamma.isPresent() ? 1 : 0)
          + (quantile.isPresent() ? 1 : 0)
          + (searchTrials > 0 ? 1 : 0);
    }
  }

  private final Optional<Parameters> given;

  /** With the hyperparameters of the task's policy. */
  public DeepClean() {
    given = Optional.empty();
  }

  DeepClean(Parameters parameters) {
    given = Optional.of(parameters);
  }

  private Parameters parameters(UnlearningTask task) {
    return given.orElseGet(() -> Parameters.of(task.policy()));
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Applied apply(UnlearningTask task) {
    task.progress().at(JobStage.METHOD, 0, 1);
    long start = System.nanoTime();
    Selection selection = select(task);
    double selecting = (System.nanoTime() - start) * 1e-9;
    task.progress().at(JobStage.METHOD, 1, 1);
    MaskedRepair.Seconds seconds = repair(task).run(selection.weights());
    return new Applied(
        selection.counts(),
        task.retainSums().size(),
        selecting + seconds.zero(),
        seconds.repair(),
        selection.trials());
  }

  /** Selected weights of each tensor, in the model's order, and what a search tried. */
  record Selection(List<BitSet> weights, List<Trial> trials) {
    List<Integer> counts() {
      return weights.stream().map(BitSet::cardinality).toList();
    }
  }

  Selection select(UnlearningTask task) {
    Parameters parameters = parameters(task);
    check(parameters);
    float[][] ratios = ratios(task.retainSums(), task.erasedSums());
    if (parameters.searchTrials() > 0) {
      ThresholdSearch.Found found = search(task, ratios);
      return new Selection(highest(ratios, found.share()), found.trials());
    }
    return new Selection(
        parameters
            .gamma()
            .map(gamma -> above(ratios, gamma))
            .orElseGet(() -> highest(ratios, parameters.quantile().orElseThrow())),
        List.of());
  }

  MaskedRepair repair(UnlearningTask task) {
    return new MaskedRepair(task, parameters(task));
  }

  private ThresholdSearch.Found search(UnlearningTask task, float[][] ratios) {
    Parameters parameters = parameters(task);
    ThresholdSearch.Bounds bounds =
        new ThresholdSearch.Bounds(
            parameters.searchTrials(),
            parameters.searchMaxRetainDrop(),
            SMALLEST_SHARE,
            LARGEST_SHARE);
    return new ThresholdSearch(task, bounds)
        .run(share -> repair(task).zero(highest(ratios, share)));
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    Parameters parameters = parameters(task);
    return Needs.fisherSums(task)
        .or(() -> parameters.towardTargets() ? toward(task) : Optional.empty())
        .or(
            () ->
                parameters.searchTrials() > 0
                    ? Needs.forgetSamples(task).or(() -> Needs.unseenSamples(task))
                    : Optional.empty());
  }

  private static Optional<String> toward(UnlearningTask task) {
    return Needs.forgetSamples(task).or(() -> Needs.targets(task));
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new RandomMask(this, applied.selected());
  }

  private static void check(Parameters parameters) {
    if (parameters.selections() != 1) {
      throw new UnlearningException("deepclean takes either gamma, quantile or a search");
    }
    if (parameters.searchTrials() < 0
        || !(parameters.searchMaxRetainDrop() >= 0)
        || !(parameters.searchMaxRetainDrop() <= 1)) {
      throw new UnlearningException(
          "deepclean takes no negative number of trials, and a retain drop from 0 to 1");
    }
    double quantile = parameters.quantile().orElse(0.5);
    if (!(quantile > 0 && quantile < 1) || !(parameters.gamma().orElse(0.0) >= 0)) {
      throw new UnlearningException(
          "deepclean takes a quantile between 0 and 1, or a gamma that is not negative");
    }
    if (parameters.reservoirSamples() < 1
        || parameters.repairEpochs() < 0
        || parameters.repairBatch() < 1
        || !(parameters.repairLearningRate() > 0)) {
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
