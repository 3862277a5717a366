package io.lethe.cli;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import io.lethe.offline.Aside;
import io.lethe.offline.FisherFile;
import io.lethe.offline.ModelFile;
import io.lethe.offline.SampleList;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.FisherComputer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe fisher}. */
@Command(
    name = "fisher",
    description = "Sums squared gradients per sample and parameter, exactly, over a dataset.",
    mixinStandardHelpOptions = true)
final class FisherCommand implements Callable<Integer> {
  private static final double NANOS = 1e9;

  @Option(names = "--model", paramLabel = "FILE", required = true, description = "The model.")
  private Path model;

  @Option(
      names = "--dataset",
      paramLabel = "URI",
      required = true,
      description = "The samples, e.g. idx:DIR#train or synthetic:digits.")
  private String dataset;

  @Option(
      names = "--samples",
      paramLabel = "IDS.txt",
      description = "Only these samples: their ids, one on a line.")
  private Path samples;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      required = true,
      description = "Safetensors file to write: one tensor per parameter, and count.")
  private Path out;

  @Mixin private Compute compute;

  @Override
  public Integer call() throws IOException {
    ModelFile file = ModelFile.of(model);
    SampleDataset data = Datasets.open(dataset);
    int[] positions =
        samples == null
            ? IntStream.range(0, data.size()).toArray()
            : SampleList.positions(samples, data);
    compute.apply();
    Terminal terminal = Terminal.standard();
    Path target = out.toAbsolutePath().normalize();
    String name = target.getFileName().toString();
    try (Aside aside = Aside.in(target.getParent());
        LoadedModel loaded = file.load()) {
      Path partial = aside.file(name);
      long began = System.nanoTime();
      FisherDiagonal sums =
          new FisherComputer(loaded).sum(data, positions, ShownProgress.ofJob(terminal));
      double seconds = (System.nanoTime() - began) / NANOS;
      FisherFile.write(partial, sums, file.sha256(), data.digest());
      aside.done(name);
      terminal.line(
          "%s: %d tensors, %s values, summed over %s samples in %.1f s (%s samples/s)"
              .formatted(
                  out,
                  sums.tensors().size(),
                  Terminal.count(sums.size()),
                  Terminal.count(sums.samples()),
                  seconds,
                  Terminal.count(sums.samples() / seconds)));
    }
    return Main.DONE;
  }
}
