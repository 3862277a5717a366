package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.lethe.events.JobStage;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * Selective synaptic dampening (Foster et al. 2024, AAAI, arXiv 2308.07707, equations of its
 * selection and dampening steps). With {@code I_f} and {@code I_D} the diagonals of the Fisher
 * information over forget samples and over the whole training set at the anchor,
 *
 * <pre>
 *   θ_i ← min(λ · I_D,i / I_f,i, 1) · θ_i     where   I_f,i &gt; α · I_D,i
 * </pre>
 *
 * <p>Nothing is trained and no retained sample is read. Both diagonals are means of squares per
 * sample, {@code I_f = S_E / m}, {@code I_D = (S_R + S_E) / N}, so that {@code I_f / I_D ≤ N / m};
 * the paper's code squares the gradients of batch means, and its α of 10 does not carry over.
 * Therefore α may be a quantile: a share of all weights, or the adaptive share of ASSD (Schoepf et
 * al. 2024, arXiv 2402.10098), whose threshold is the percentile {@code 100 − ln(1 + 100 · m / N)}
 * of the ratios, or the share that a search finds.
 *
 * <p>A release from the anchor forgets everything erased since at once, so m counts it all. One
 * that starts from the last release dampens the marginal share: that of all erased samples less
 * that of those before. The share is concave, so that small batches would else dampen far more
 * weights than a large one.
 *
 * <p>The control dampens as many weights per tensor by the same factors, at random positions.
 */
public final class SelectiveDampening implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "ssd";

  /** How α is found. */
  public enum Selection {
    /** It is given. */
    ALPHA,
    /** A quantile: the given share of all weights lies above it. */
    SHARE,
    /** A quantile: ASSD's share. */
    ADAPTIVE,
    /** A quantile: the share that bisection on the forget gap finds. */
    SEARCH
  }

  /**
   * Hyperparameters.
   *
   * @param selection how α is found; ADAPTIVE
   * @param alpha α, for ALPHA, > 0; 10
   * @param share of all weights, for SHARE, between 0 and 1; 0.05
   * @param lambda λ, > 0; 1
   * @param trials of a search, ≥ 1; 8
   * @param maxRetainDrop accuracy on retained samples that a search may cost, 0 to 1; 0.02
   * @param smallestShare smallest share that a search tries, > 0; 0.001
   * @param largestShare largest share that a search tries, < 1; 0.5
   */
  public record Parameters(
      Selection selection,
      double alpha,
      double share,
      double lambda,
      int trials,
      double maxRetainDrop,
      double smallestShare,
      double largestShare) {
    /** The defaults. */
    public static final Parameters DEFAULT =
        new Parameters(Selection.ADAPTIVE, 10, 0.05, 1, 8, 0.02, 0.001, 0.5);

    public Parameters {
      Ranges.require(selection != null, "selection must be alpha, share, adaptive or search");
      Ranges.positive("alpha", alpha);
      Ranges.between("share", share, 0, 1);
      Ranges.positive("lambda", lambda);
      new ThresholdSearch.Bounds(trials, maxRetainDrop, smallestShare, largestShare);
    }

    ThresholdSearch.Bounds bounds() {
      return new ThresholdSearch.Bounds(trials, maxRetainDrop, smallestShare, largestShare);
    }
  }

  private final Parameters parameters;

  public SelectiveDampening(Parameters parameters) {
    this.parameters = parameters;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.fisherSums(task)
        .or(
            () ->
                parameters.selection() == Selection.SEARCH
                    ? Needs.forgetSamples(task).or(() -> Needs.unseenSamples(task))
                    : Optional.empty());
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    task.progress().at(JobStage.METHOD, 0, 1);
    float[][] ratios = ratios(task.retainSums(), task.erasedSums());
    List<Trial> trials = List.of();
    List<BitSet> selection =
        switch (parameters.selection()) {
          case ALPHA -> DeepClean.above(ratios, parameters.alpha());
          case SHARE -> DeepClean.highest(ratios, parameters.share());
          case ADAPTIVE -> DeepClean.highest(ratios, adaptiveShare(task));
          case SEARCH -> {
            ThresholdSearch.Found found =
                new ThresholdSearch(task, parameters.bounds())
                    .run(share -> dampen(task, factors(ratios, DeepClean.highest(ratios, share))));
            trials = found.trials();
            yield DeepClean.highest(ratios, found.share());
          }
        };
    dampen(task, factors(ratios, selection));
    task.progress().at(JobStage.METHOD, 1, 1);
    return new Applied(
        selection.stream().map(BitSet::cardinality).toList(),
        task.retainSums().size(),
        FineTuning.since(start),
        0,
        trials);
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new RandomDampening(applied.selected());
  }

  private static double adaptiveShare(UnlearningTask task) {
    long before = task.erasedBefore();
    long erased = before + task.erasedSums().samples();
    long all = erased + task.retainSums().samples();
    return adaptiveShare(erased, all) - adaptiveShare(before, all);
  }

  /** ASSD's share of weights: {@code ln(1 + 100 · m / N) / 100}. */
  static double adaptiveShare(long erased, long all) {
    return Math.log1p(100.0 * erased / all) / 100;
  }

  /** {@code I_f / I_D} per weight; 0 where no forget sample has a gradient. */
  static float[][] ratios(FisherDiagonal retain, FisherDiagonal erased) {
    if (retain.samples() == 0 || erased.samples() == 0) {
      throw new UnlearningException(
          "ssd compares %d erased with %d retained samples"
              .formatted(erased.samples(), retain.samples()));
    }
    double scale = (double) (retain.samples() + erased.samples()) / erased.samples();
    float[][] ratios = new float[retain.tensors().size()][];
    for (int t = 0; t < ratios.length; t++) {
      float[] r = retain.tensors().get(t).values();
      float[] e = erased.tensors().get(t).values();
      ratios[t] = new float[r.length];
      for (int i = 0; i < r.length; i++) {
        ratios[t][i] = e[i] == 0 ? 0 : (float) (scale * e[i] / ((double) r[i] + e[i]));
      }
    }
    return ratios;
  }

  /** {@code min(λ / ratio, 1)} where selected, 1 elsewhere. */
  private float[][] factors(float[][] ratios, List<BitSet> selection) {
    float[][] factors = new float[ratios.length][];
    for (int t = 0; t < ratios.length; t++) {
      factors[t] = new float[ratios[t].length];
      Arrays.fill(factors[t], 1);
      float[] factor = factors[t];
      float[] ratio = ratios[t];
      selection.get(t).stream()
          .forEach(i -> factor[i] = (float) Math.min(parameters.lambda() / ratio[i], 1));
    }
    return factors;
  }

  private static void dampen(UnlearningTask task, float[][] factors) {
    LoadedModel model = task.model();
    try (GradientMode off = GradientMode.off();
        NDManager scope = model.manager().newSubManager()) {
      for (int t = 0; t < factors.length; t++) {
        NDArray array = model.weights().get(t).array();
        array.muli(scope.create(factors[t], array.getShape()).toType(array.getDataType(), false));
      }
    }
  }

  /** As many weights per tensor at random, dampened by the factors of the highest ratios. */
  private final class RandomDampening implements UnlearningMethod {
    private final List<Integer> selected;

    RandomDampening(List<Integer> selected) {
      this.selected = selected;
    }

    @Override
    public String name() {
      return "random-dampening";
    }

    @Override
    public Applied apply(UnlearningTask task) {
      long start = System.nanoTime();
      float[][] ratios = ratios(task.retainSums(), task.erasedSums());
      Random random = new Random(Sampling.mix(task.seed(), Sampling.MASK));
      List<BitSet> positions = new ArrayList<>();
      float[][] shuffled = new float[ratios.length][];
      for (int t = 0; t < ratios.length; t++) {
        positions.add(RandomMask.choose(ratios[t].length, selected.get(t), random));
        shuffled[t] = highestAt(ratios[t], positions.get(t), random);
      }
      dampen(task, factors(shuffled, positions));
      task.progress().at(JobStage.METHOD, 1, 1);
      return new Applied(selected, task.retainSums().size(), FineTuning.since(start), 0);
    }

    /** The tensor's highest ratios, in random order at the given positions. */
    private float[] highestAt(float[] ratios, BitSet positions, Random random) {
      float[] sorted = ratios.clone();
      Arrays.sort(sorted);
      int count = positions.cardinality();
      int[] order =
          Sampling.shuffle(java.util.stream.IntStream.range(0, count).toArray(), random.nextLong());
      float[] placed = new float[ratios.length];
      int next = 0;
      for (int i = positions.nextSetBit(0); i >= 0; i = positions.nextSetBit(i + 1)) {
        placed[i] = sorted[sorted.length - 1 - order[next++]];
      }
      return placed;
    }

    @Override
    public UnlearningMethod control(Applied applied) {
      return this;
    }
  }
}
