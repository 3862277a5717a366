package io.lethe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.bench.FisherBench;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench}. */
@Command(
    name = "bench",
    description = "Measures the program on this machine.",
    mixinStandardHelpOptions = true)
final class BenchCommand {
  @Command(
      name = "fisher",
      description = "Samples per second of the Fisher diagonal, beside a plain training step.",
      mixinStandardHelpOptions = true)
  int fisher(
      @Option(
              names = "--models",
              paramLabel = "NAME",
              split = ",",
              description = "Which (default: ${DEFAULT-VALUE}).",
              defaultValue = "mlp,cnn,resnet18")
          List<String> models,
      @Option(
              names = "--seconds",
              paramLabel = "S",
              description = "Length of a turn (default: ${DEFAULT-VALUE}).",
              defaultValue = "2")
          double seconds,
      @Option(
              names = "--turns",
              paramLabel = "N",
              description = "Turns, of which the median is taken (default: ${DEFAULT-VALUE}).",
              defaultValue = "5")
          int turns,
      @Mixin Threads threads,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    FisherBench.Settings settings =
        new FisherBench.Settings(models, seconds, turns, threads.apply());
    json.write(new FisherBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }

  /** Where the figures go besides the terminal. */
  static final class JsonOption {
    @Option(names = "--json", paramLabel = "FILE", description = "Also write the figures as JSON.")
    private Path file;

    void check() {
      JsonFiles.requireWritable(file);
    }

    void write(ObjectNode figures) throws IOException {
      if (file != null) {
        JsonFiles.write(file, figures);
      }
    }
  }
}
