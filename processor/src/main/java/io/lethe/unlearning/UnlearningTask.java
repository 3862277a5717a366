package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import java.util.Optional;

/**
 * What a method works on.
 *
 * @param model holds the anchor's weights; the method changes them in place, and nothing else
 * @param dataset the training dataset
 * @param forget all samples erased since the anchor, this batch included
 * @param repairPool retained samples that a repair may train on
 * @param retainSums sum of squared gradients over the retained samples, at the anchor's weights
 * @param erasedSums the same over {@code forget}
 * @param targets what models that never saw them say about samples, at least the forget samples
 * @param policy hyperparameters
 * @param seed of everything random
 * @param progress told about stages METHOD and REPAIR
 */
@SuppressWarnings("ArrayRecordComponent") // lives for one call
public record UnlearningTask(
    LoadedModel model,
    SampleDataset dataset,
    int[] forget,
    int[] repairPool,
    FisherDiagonal retainSums,
    FisherDiagonal erasedSums,
    Optional<HeldOutTargets> targets,
    UnlearningPolicy policy,
    long seed,
    Progress progress) {}
