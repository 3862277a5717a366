package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;
import java.util.Arrays;
import java.util.Optional;
import java.util.Set;
import java.util.function.IntPredicate;

/**
 * Which samples a job repairs with and is measured on: seeded, so that whatever is measured for the
 * same forget set is measured on the same samples.
 */
public final class JobSamples {
  /** Samples per set that are measured at most, but for the forget set, which is measured whole. */
  static final int EVALUATION_SAMPLES = 2_000;

  /** Holdout samples that evaluation leaves over are too few to calibrate on below this. */
  private static final int LEAST_UNSEEN = 200;

  private final int[] repairPool;
  private final SampleSet unseen;
  private final Evaluator evaluator;

  /**
   * @param dataset the training dataset
   * @param holdout samples that the model never saw; without it a seeded tenth of the retained
   *     samples serves, which repair then leaves alone
   * @param forget positions in {@code dataset}
   * @throws UnlearningException when too few samples are retained
   */
  public JobSamples(
      SampleDataset dataset, Optional<SampleDataset> holdout, int[] forget, long seed) {
    this(dataset, holdout, forget, Set.of(), new int[0], Optional.empty(), seed);
  }

  /** Where nothing was erased that is not in the forget set. */
  public JobSamples(
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] forget,
      Set<Integer> forgetClasses,
      int[] earlier,
      Optional<HeldOutTargets> targets,
      long seed) {
    this(dataset, holdout, forget, forgetClasses, earlier, Optional.empty(), targets, seed);
  }

  /**
   * @param forgetClasses whole classes that are to be forgotten: none of their samples is retained
   *     or measured as holdout, but those of a holdout set are measured for themselves
   * @param earlier those of {@code forget} that earlier batches erased
   * @param before what they erased that is not to be forgotten again; there is none of it in {@code
   *     dataset}
   * @param targets what models that never saw them say about the forget samples; of whole classes
   *     those models knew other samples, so that their targets say nothing and are passed over
   */
  public JobSamples(
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] forget,
      Set<Integer> forgetClasses,
      int[] earlier,
      Optional<ErasedBefore> before,
      Optional<HeldOutTargets> targets,
      long seed) {
    int[] retained = kept(dataset, forgetClasses, Sampling.complement(dataset.size(), forget));
    int[] holdoutPool;
    if (holdout.isPresent()) {
      repairPool = retained;
      holdoutPool = kept(holdout.get(), forgetClasses, all(holdout.get()));
    } else {
      repairPool = filter(retained, index -> !Sampling.isStandInHoldout(index, seed));
      holdoutPool = filter(retained, index -> Sampling.isStandInHoldout(index, seed));
    }
    if (repairPool.length == 0 || holdoutPool.length == 0) {
      throw new UnlearningException(
          "%d retained samples are too few to repair and measure on".formatted(retained.length));
    }
    int[] measured =
        Sampling.choose(holdoutPool, EVALUATION_SAMPLES, Sampling.mix(seed, Sampling.HOLDOUT));
    int[] others = rest(holdoutPool, measured);
    unseen =
        new SampleSet(holdout.orElse(dataset), others.length < LEAST_UNSEEN ? holdoutPool : others);
    int[] ofClasses =
        holdout
            .map(set -> filter(all(set), index -> forgetClasses.contains(set.label(index))))
            .orElse(new int[0]);
    evaluator =
        new Evaluator(
            dataset,
            forget,
            Sampling.choose(repairPool, EVALUATION_SAMPLES, Sampling.mix(seed, Sampling.RETAIN)),
            holdout.orElse(dataset),
            measured,
            earlier,
            before.map(all -> some(all, seed)),
            forgetClasses.isEmpty() ? targets : Optional.empty(),
            new Evaluator.Classes(
                forgetClasses,
                Sampling.choose(
                    ofClasses, EVALUATION_SAMPLES, Sampling.mix(seed, Sampling.HOLDOUT))));
  }

  /** Retained samples that a repair may train on. */
  public int[] repairPool() {
    return repairPool.clone();
  }

  /**
   * Holdout samples on which a method may measure itself. Others than those that the release is
   * measured on, where the holdout set is large enough for both.
   */
  public SampleSet unseen() {
    return unseen;
  }

  /** Measures a model on these samples. */
  public Evaluator evaluator() {
    return evaluator;
  }

  private static ErasedBefore some(ErasedBefore all, long seed) {
    int[] chosen =
        Sampling.choose(
            all.there().positions(), EVALUATION_SAMPLES, Sampling.mix(seed, Sampling.EARLIER));
    return new ErasedBefore(
        all.samples(), new SampleSet(all.there().dataset(), chosen), all.targets());
  }

  private static int[] all(SampleDataset dataset) {
    return Sampling.complement(dataset.size());
  }

  private static int[] kept(SampleDataset dataset, Set<Integer> forgetClasses, int[] pool) {
    return forgetClasses.isEmpty()
        ? pool
        : filter(pool, index -> !forgetClasses.contains(dataset.label(index)));
  }

  private static int[] rest(int[] pool, int[] chosen) {
    int[] sorted = chosen.clone();
    Arrays.sort(sorted);
    return filter(pool, index -> Arrays.binarySearch(sorted, index) < 0);
  }

  private static int[] filter(int[] pool, IntPredicate wanted) {
    return Arrays.stream(pool).filter(wanted).toArray();
  }
}
