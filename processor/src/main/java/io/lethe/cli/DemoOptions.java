package io.lethe.cli;

import io.lethe.demo.DemoRecipe;
import io.lethe.demo.DemoSettings;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What the demo plays. */
final class DemoOptions {
  @Option(
      names = "--dataset",
      paramLabel = "URI",
      description = "Training data (default: generated). Its #test split is the holdout set.")
  private String dataset = DemoRecipe.TRAIN_URI;

  @Option(
      names = "--lineage",
      paramLabel = "CSV",
      description = "Who the samples belong to: columns sample_id and subject_id, or .gz.")
  private Path lineage;

  @Option(
      names = "--subjects",
      paramLabel = "N",
      description = "Data subjects who ask in each batch (default: ${DEFAULT-VALUE}).",
      defaultValue = "4")
  private int subjects;

  @Option(
      names = "--batches",
      paramLabel = "N",
      description = "Number of batches (default: ${DEFAULT-VALUE}).",
      defaultValue = "2")
  private int batches;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of everything random (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private long seed;

  DemoSettings settings() {
    if (lineage != null && !Files.isReadable(lineage)) {
      throw new UnusableException(lineage + ": no such file, or not readable");
    }
    return new DemoSettings(dataset, Optional.ofNullable(lineage), subjects, batches, seed);
  }
}
