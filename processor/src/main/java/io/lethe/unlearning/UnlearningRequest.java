package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;

/**
 * One unlearning job. Arrays are positions in {@code dataset}, distinct.
 *
 * @param anchor the anchor's model file; its digest was checked
 * @param format its format
 * @param dataset what the anchor was trained on
 * @param holdout samples that the model never saw; without it a seeded tenth of the retained
 *     samples serves, which repair then leaves alone
 * @param batch what this job erases
 * @param erased what earlier jobs erased since the anchor; disjoint from {@code batch}
 * @param retainSums Fisher sums at the anchor over all samples but {@code erased}
 * @param erasedSums Fisher sums at the anchor over {@code erased}
 * @param targets held-out targets of the batch and of what was erased; without them the methods
 *     that need them are left out of the ladder
 * @param start weights that methods start from, where they are not the anchor's: a release of the
 *     same network
 * @param erasedBefore what that release has forgotten; none of it is in {@code dataset}
 * @param forgetClasses whole classes to forget; {@code batch} then holds their samples, and may be
 *     empty where those are gone
 * @param retraining how the anchor was trained, for the methods that train from nothing
 * @param policy ladder, hyperparameters and gate
 * @param seed of everything random
 * @param output the new model's file, in the anchor's format
 */
@SuppressWarnings("ArrayRecordComponent") // lives for one call
public record UnlearningRequest(
    Path anchor,
    ModelFormat format,
    SampleDataset dataset,
    Optional<SampleDataset> holdout,
    int[] batch,
    int[] erased,
    FisherDiagonal retainSums,
    FisherDiagonal erasedSums,
    Optional<HeldOutTargets> targets,
    Optional<Path> start,
    Optional<ErasedBefore> erasedBefore,
    Set<Integer> forgetClasses,
    Optional<Retraining> retraining,
    UnlearningPolicy policy,
    long seed,
    Path output) {
  public UnlearningRequest {
    forgetClasses = Set.copyOf(forgetClasses);
  }

  /** Where nothing was erased that is not to be forgotten again. */
  public UnlearningRequest(
      Path anchor,
      ModelFormat format,
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] batch,
      int[] erased,
      FisherDiagonal retainSums,
      FisherDiagonal erasedSums,
      Optional<HeldOutTargets> targets,
      Optional<Path> start,
      Set<Integer> forgetClasses,
      Optional<Retraining> retraining,
      UnlearningPolicy policy,
      long seed,
      Path output) {
    this(
        anchor,
        format,
        dataset,
        holdout,
        batch,
        erased,
        retainSums,
        erasedSums,
        targets,
        start,
        Optional.empty(),
        forgetClasses,
        retraining,
        policy,
        seed,
        output);
  }

  /** Single samples, from the anchor's weights, without a recipe. */
  public UnlearningRequest(
      Path anchor,
      ModelFormat format,
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] batch,
      int[] erased,
      FisherDiagonal retainSums,
      FisherDiagonal erasedSums,
      Optional<HeldOutTargets> targets,
      UnlearningPolicy policy,
      long seed,
      Path output) {
    this(
        anchor,
        format,
        dataset,
        holdout,
        batch,
        erased,
        retainSums,
        erasedSums,
        targets,
        Optional.empty(),
        Set.of(),
        Optional.empty(),
        policy,
        seed,
        output);
  }

  /** Without held-out targets. */
  public UnlearningRequest(
      Path anchor,
      ModelFormat format,
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] batch,
      int[] erased,
      FisherDiagonal retainSums,
      FisherDiagonal erasedSums,
      UnlearningPolicy policy,
      long seed,
      Path output) {
    this(
        anchor,
        format,
        dataset,
        holdout,
        batch,
        erased,
        retainSums,
        erasedSums,
        Optional.empty(),
        policy,
        seed,
        output);
  }
}
