package io.lethe.cli;

import io.lethe.bench.EraseBench;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench erase}. */
@Command(
    name = "erase",
    description = {
      "Every unlearning method beside a model that was retrained without the samples.",
      "Trained models are cached: a run that was cut short goes on where it was."
    },
    mixinStandardHelpOptions = true)
final class BenchEraseCommand implements Callable<Integer> {
  @Option(
      names = "--cases",
      paramLabel = "NAME",
      split = ",",
      description = "clean, changed, class, overfit, cost (default: ${DEFAULT-VALUE}).",
      defaultValue = "clean,changed,overfit,cost")
  private List<String> cases;

  @Option(
      names = "--subjects",
      paramLabel = "N",
      description = "Data subjects in a batch (default: ${DEFAULT-VALUE}).",
      defaultValue = "10")
  private int subjects;

  @Option(
      names = "--methods",
      paramLabel = "NAME",
      split = ",",
      description =
          "Methods to compare; ladder is a whole job with the default policy (default:"
              + " ladder and all methods).")
  private List<String> methods;

  @Mixin private ErasureOptions erasure;
  @Mixin private Compute compute;
  @Mixin private BenchCommand.JsonOption json;

  @Override
  public Integer call() throws IOException {
    json.check();
    compute.apply();
    new EraseBench(
            erasure.settings(cases, subjects, methods == null ? EraseBench.allMethods() : methods),
            Terminal.standard())
        .run(json::write);
    return Main.DONE;
  }
}
