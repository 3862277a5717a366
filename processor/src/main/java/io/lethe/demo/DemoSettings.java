package io.lethe.demo;

import java.nio.file.Path;
import java.util.Optional;

/**
 * What the demo plays.
 *
 * @param dataset URI of the training split; its {@code #test} split is the holdout set
 * @param lineage file that says who the samples belong to; needed where the dataset does not know
 * @param subjectsPerBatch data subjects who ask for erasure in each batch
 * @param batches number of batches
 * @param seed of training, choice of subjects and unlearning
 */
public record DemoSettings(
    String dataset, Optional<Path> lineage, int subjectsPerBatch, int batches, long seed) {
  public DemoSettings {
    if (subjectsPerBatch < 1 || batches < 1) {
      throw new IllegalArgumentException("the demo needs at least one subject and one batch");
    }
  }
}
