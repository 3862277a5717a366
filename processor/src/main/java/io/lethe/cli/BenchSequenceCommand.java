package io.lethe.cli;

import io.lethe.bench.SequenceBench;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.method.HeldoutMatch;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench sequence}. */
@Command(
    name = "sequence",
    description = {
      "Many batches one after the other by heldout-match, from the anchor, chained, or with a new",
      "anchor whenever the default policy says so, beside a model that was retrained on what is",
      "left."
    },
    mixinStandardHelpOptions = true)
final class BenchSequenceCommand implements Callable<Integer> {
  @Option(
      names = "--cases",
      paramLabel = "NAME",
      split = ",",
      description = "clean, changed (default: ${DEFAULT-VALUE}).",
      defaultValue = "clean")
  private List<String> cases;

  @Option(
      names = "--batches",
      paramLabel = "N",
      description = "Batches (default: ${DEFAULT-VALUE}).",
      defaultValue = "10")
  private int batches;

  @Option(
      names = "--subjects",
      paramLabel = "N",
      description = "Data subjects in a batch (default: ${DEFAULT-VALUE}).",
      defaultValue = "5")
  private int subjects;

  @Option(
      names = "--checkpoints",
      paramLabel = "N",
      description = "How often a model is retrained to compare with (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int checkpoints;

  @Option(
      names = "--modes",
      paramLabel = "NAME",
      split = ",",
      description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
      defaultValue = "anchored,chained")
  private List<SequenceBench.Mode> modes;

  @Mixin private ErasureOptions erasure;
  @Mixin private Compute compute;
  @Mixin private BenchCommand.JsonOption json;

  @Override
  public Integer call() throws IOException {
    json.check();
    compute.apply();
    new SequenceBench(
            new SequenceBench.Settings(
                erasure.settings(cases, subjects, List.of(HeldoutMatch.NAME)),
                batches,
                checkpoints,
                modes),
            Terminal.standard())
        .run(json::write);
    return Main.DONE;
  }
}
