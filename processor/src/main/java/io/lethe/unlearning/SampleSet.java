package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;

/**
 * Some samples of a dataset.
 *
 * @param positions in {@code dataset}, distinct
 */
@SuppressWarnings("ArrayRecordComponent") // lives for one job
public record SampleSet(SampleDataset dataset, int[] positions) {}
