package io.lethe.cli;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.LoadedModel;
import io.lethe.offline.ModelFile;
import io.lethe.offline.SampleList;
import io.lethe.unlearning.CrossFit;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import picocli.CommandLine.Option;

/** A model, its data, and what it must forget. */
final class ForgetOptions {
  @Option(names = "--model", paramLabel = "FILE", required = true, description = "The model.")
  private Path model;

  @Option(
      names = "--dataset",
      paramLabel = "URI",
      required = true,
      description = "Its training data, e.g. idx:DIR#train or synthetic:digits.")
  private String dataset;

  @Option(
      names = "--holdout",
      paramLabel = "URI",
      description = "Samples that it never saw (default: a seeded tenth of the retained ones).")
  private String holdout;

  @Option(
      names = "--forget",
      paramLabel = "IDS.txt",
      description = "Ids of the samples to forget, one on a line.")
  private Path forget;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "Seed of everything random (default: ${DEFAULT-VALUE}).",
      defaultValue = "0")
  private long seed;

  /** All of it, opened and checked. */
  @SuppressWarnings("ArrayRecordComponent") // lives for one command
  record Input(
      ModelFile model,
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      int[] forget,
      Set<Integer> classes,
      long seed) {
    /** How many classes the model tells apart: it may know more than the dataset still has. */
    int outputs() {
      try (LoadedModel loaded = model.load()) {
        return CrossFit.outputs(loaded, dataset);
      }
    }
  }

  /**
   * @throws UnusableException when no samples are named
   */
  Input open() {
    if (forget == null) {
      throw new UnusableException("--forget: which samples?");
    }
    ModelFile file = ModelFile.of(model);
    SampleDataset data = Datasets.open(dataset);
    Optional<SampleDataset> unseen = Optional.ofNullable(holdout).map(Datasets::open);
    return new Input(file, data, unseen, SampleList.positions(forget, data), Set.of(), seed);
  }

  /**
   * Whole classes: every sample of them that the dataset still has, perhaps none.
   *
   * @throws UnusableException when samples are named too, or a class does not exist
   */
  Input open(Set<Integer> classes) {
    if (classes.isEmpty()) {
      return open();
    }
    if (forget != null) {
      throw new UnusableException("--classes: forgets whole classes, --forget single samples");
    }
    ModelFile file = ModelFile.of(model);
    SampleDataset data = Datasets.open(dataset);
    int[] positions =
        IntStream.range(0, data.size())
            .filter(index -> classes.contains(data.label(index)))
            .toArray();
    Optional<SampleDataset> unseen = Optional.ofNullable(holdout).map(Datasets::open);
    Input input = new Input(file, data, unseen, positions, classes, seed);
    int outputs = input.outputs();
    if (classes.stream().anyMatch(label -> label < 0 || label >= outputs)) {
      throw new UnusableException(
          "--classes: the model's classes are 0 to %d".formatted(outputs - 1));
    }
    return input;
  }
}
