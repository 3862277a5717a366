package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import java.util.Optional;
import java.util.Set;

/**
 * What a method works on.
 *
 * @param model holds the anchor's weights; the method changes them in place, and nothing else
 * @param dataset the training dataset
 * @param forget all samples erased since the anchor, this batch included; empty where whole classes
 *     are to be forgotten whose samples are gone
 * @param forgetClasses whole classes that are to be forgotten; empty where single samples are
 * @param repairPool retained samples that a repair may train on
 * @param unseen samples that the model never saw, or that stand in for such
 * @param retainSums sum of squared gradients over the retained samples, at the anchor's weights
 * @param erasedSums the same over {@code forget}
 * @param erasedBefore number of samples erased since the anchor that are not in {@code forget}: the
 *     weights that the method starts from have forgotten them
 * @param targets what models that never saw them say about samples, at least the forget samples
 * @param retraining how the model is trained from nothing, where that is known
 * @param policy hyperparameters
 * @param seed of everything random
 * @param progress told about stages METHOD and REPAIR
 * @param activations of the model's lower layers, shared by all that is done with it
 */
@SuppressWarnings("ArrayRecordComponent") // lives for one call
public record UnlearningTask(
    LoadedModel model,
    SampleDataset dataset,
    int[] forget,
    Set<Integer> forgetClasses,
    int[] repairPool,
    Optional<SampleSet> unseen,
    FisherDiagonal retainSums,
    FisherDiagonal erasedSums,
    long erasedBefore,
    Optional<HeldOutTargets> targets,
    Optional<Retraining> retraining,
    UnlearningPolicy policy,
    long seed,
    Progress progress,
    Activations activations) {
  /** From the anchor, with activations of its own, which are freed with the model. */
  public UnlearningTask(
      LoadedModel model,
      SampleDataset dataset,
      int[] forget,
      Set<Integer> forgetClasses,
      int[] repairPool,
      Optional<SampleSet> unseen,
      FisherDiagonal retainSums,
      FisherDiagonal erasedSums,
      Optional<HeldOutTargets> targets,
      Optional<Retraining> retraining,
      UnlearningPolicy policy,
      long seed,
      Progress progress) {
    this(
        model,
        dataset,
        forget,
        forgetClasses,
        repairPool,
        unseen,
        retainSums,
        erasedSums,
        0,
        targets,
        retraining,
        policy,
        seed,
        progress,
        new Activations(model));
  }

  /** Single samples, without samples to calibrate on and without a recipe. */
  public UnlearningTask(
      LoadedModel model,
      SampleDataset dataset,
      int[] forget,
      int[] repairPool,
      FisherDiagonal retainSums,
      FisherDiagonal erasedSums,
      Optional<HeldOutTargets> targets,
      UnlearningPolicy policy,
      long seed,
      Progress progress) {
    this(
        model,
        dataset,
        forget,
        Set.of(),
        repairPool,
        Optional.empty(),
        retainSums,
        erasedSums,
        targets,
        Optional.empty(),
        policy,
        seed,
        progress);
  }

  /** The same task with another forget set and repair pool. */
  public UnlearningTask with(int[] otherForget, int[] otherPool) {
    return new UnlearningTask(
        model,
        dataset,
        otherForget,
        forgetClasses,
        otherPool,
        unseen,
        retainSums,
        erasedSums,
        erasedBefore,
        targets,
        retraining,
        policy,
        seed,
        progress,
        activations);
  }
}
