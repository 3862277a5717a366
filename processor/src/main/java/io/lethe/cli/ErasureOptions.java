package io.lethe.cli;

import io.lethe.bench.EraseBench;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What {@code lethe bench erase} and {@code lethe bench sequence} share. */
final class ErasureOptions {
  @Option(
      names = "--dataset",
      paramLabel = "URI",
      description = "Data with a #test split (default: ${DEFAULT-VALUE}).")
  private String dataset = "synthetic:digits?samples=4000&subjects=100&noise=0";

  @Option(
      names = "--lineage",
      paramLabel = "CSV",
      description = "Who its samples belong to, where the dataset does not know.")
  private Path lineage;

  @Option(
      names = "--samples",
      paramLabel = "N",
      description = "About how many training samples to keep, of whole subjects (default: all).")
  private int samples;

  @Option(
      names = "--folds",
      paramLabel = "K",
      description = "Folds of cross-fitting (default: ${DEFAULT-VALUE}).")
  private int folds = 5;

  @Option(
      names = "--parameters",
      paramLabel = "METHOD=JSON",
      description =
          "Hyperparameters of a method where not its defaults, e.g. ssd={\"share\":0.1};"
              + " repeatable.")
  private Map<String, String> parameters = Map.of();

  @Option(
      names = "--seeds",
      paramLabel = "N",
      description = "Trials of each case (default: ${DEFAULT-VALUE}).")
  private int seeds = 5;

  @Option(
      names = "--first-seed",
      paramLabel = "N",
      description =
          "The first of them (default: ${DEFAULT-VALUE}): choose hyperparameters on other seeds"
              + " than those that are reported.")
  private long firstSeed = 1;

  @Option(
      names = "--training",
      paramLabel = "EPOCHS,BATCH,RATE,WIDTH...",
      description = {
        "Another training and network than the case's own: epochs, samples per step, Adam's peak",
        "rate, filters of each convolution, units of the dense layer."
      })
  private String training;

  @Option(
      names = "--cache",
      paramLabel = "DIR",
      description = "Folder of trained models (default: ${DEFAULT-VALUE}).")
  private Path cache = Path.of("bench-cache");

  EraseBench.Settings settings(List<String> cases, int subjects, List<String> methods) {
    return new EraseBench.Settings(
        cases,
        dataset,
        Optional.ofNullable(lineage),
        samples,
        subjects,
        folds,
        methods,
        parameters,
        seeds,
        firstSeed,
        Optional.ofNullable(training).map(ErasureOptions::training),
        cache);
  }

  private static EraseBench.Training training(String text) {
    String[] parts = text.split(",");
    try {
      return new EraseBench.Training(
          Integer.parseInt(parts[0]),
          Integer.parseInt(parts[1]),
          Double.parseDouble(parts[2]),
          Arrays.stream(parts).skip(3).map(Integer::valueOf).toList());
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw new UnusableException("--training: numbers, such as 8,128,3e-3,8,16,512", e);
    }
  }
}
