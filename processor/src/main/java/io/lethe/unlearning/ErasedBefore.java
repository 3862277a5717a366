package io.lethe.unlearning;

import java.util.Optional;

/**
 * What earlier jobs erased since the anchor, of a job that starts from their release: it does not
 * forget them again, and is measured on how much of them has come back.
 *
 * @param samples how many were erased, also those whose data is gone
 * @param there those whose data is still there
 * @param targets what models that never saw them say about samples of {@code there}'s dataset
 */
public record ErasedBefore(long samples, SampleSet there, Optional<HeldOutTargets> targets) {}
