package io.lethe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.bench.FisherBench;
import io.lethe.bench.PendingBench;
import io.lethe.bench.RestoreBench;
import io.lethe.bench.StreamBench;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench}. */
@Command(
    name = "bench",
    description = "Measures the program on this machine.",
    mixinStandardHelpOptions = true)
final class BenchCommand {
  private static final int PENDING_STEPS = 10;

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
      @Option(
              names = "--minibatches",
              paramLabel = "N",
              description =
                  "Also go through so many small minibatches and tell resident memory after the"
                      + " 50th and the last (default: ${DEFAULT-VALUE}, none).",
              defaultValue = "0")
          int minibatches,
      @Mixin Compute compute,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    FisherBench.Settings settings =
        new FisherBench.Settings(models, seconds, turns, compute.apply(), minibatches);
    json.write(new FisherBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }

  @Command(
      name = "stream",
      description =
          "Deletion requests per second and their latency, beside a pass-through topology.",
      mixinStandardHelpOptions = true)
  int stream(
      @Option(
              names = "--requests",
              paramLabel = "N",
              description = "Requests of the throughput profile (default: ${DEFAULT-VALUE}).",
              defaultValue = "30000")
          int requests,
      @Option(
              names = "--models",
              paramLabel = "N",
              description = "Models that they are spread over (default: ${DEFAULT-VALUE}).",
              defaultValue = "8")
          int models,
      @Option(
              names = "--batch",
              paramLabel = "N",
              description = "Requests at which a batch fires (default: ${DEFAULT-VALUE}).",
              defaultValue = "5000")
          int batch,
      @Option(
              names = "--threads",
              paramLabel = "N",
              description = "Stream threads (default: ${DEFAULT-VALUE}).",
              defaultValue = "1")
          int threads,
      @Option(
              names = "--commit",
              paramLabel = "MS",
              description = "Commit interval in ms, in place of the throughput profile's.")
          Integer commit,
      @Option(
              names = "--latency-commit",
              paramLabel = "MS",
              description = "Commit interval in ms, in place of the latency profile's.")
          Integer latencyCommit,
      @Option(
              names = "--events",
              paramLabel = "N",
              description = "Events that are timed one by one (default: ${DEFAULT-VALUE}).",
              defaultValue = "100")
          int events,
      @Option(
              names = "--pending",
              paramLabel = "N",
              description =
                  "In place of all that: rate and memory while N tasks come to wait, over the"
                      + " models of --models, in ten steps.")
          Integer pending,
      @Option(
              names = "--unsigned",
              description = "Leave out the signatures of receipts, to see what they cost.")
          boolean unsigned,
      @Option(
              names = "--kafka",
              paramLabel = "NAME=VALUE",
              description = "A setting of Kafka's over the program's own; repeatable.")
          Map<String, String> kafka,
      @Mixin FolderOption folder,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    if (pending != null) {
      PendingBench.Settings settings =
          new PendingBench.Settings(pending, models, PENDING_STEPS, threads, folder.path());
      json.write(new PendingBench(settings, Terminal.standard()).run());
      return Main.DONE;
    }
    StreamBench.Settings settings =
        new StreamBench.Settings(
            requests,
            models,
            batch,
            threads,
            commit == null ? null : Duration.ofMillis(commit),
            latencyCommit == null ? null : Duration.ofMillis(latencyCommit),
            events,
            !unsigned,
            kafka == null ? Map.of() : kafka,
            folder.path());
    json.write(new StreamBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }

  @Command(
      name = "restore",
      description = "Fisher diagonals after a wiped state directory, beside a read of the disk.",
      mixinStandardHelpOptions = true)
  int restore(
      @Option(
              names = "--mib",
              paramLabel = "N",
              description = "Diagonals in all, in MiB (default: ${DEFAULT-VALUE}).",
              defaultValue = "512")
          int mib,
      @Option(
              names = "--diagonal-mib",
              paramLabel = "N",
              description = "One model's diagonal, in MiB (default: ${DEFAULT-VALUE}).",
              defaultValue = "32")
          int diagonalMib,
      @Mixin FolderOption folder,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    RestoreBench.Settings settings = new RestoreBench.Settings(mib, diagonalMib, folder.path());
    json.write(new RestoreBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }

  /** Which disk is measured on. */
  static final class FolderOption {
    @Option(
        names = "--data",
        paramLabel = "DIR",
        description = "Folder on the disk to measure on (default: the system's temporary one).")
    private Path folder = Path.of(System.getProperty("java.io.tmpdir"));

    Path path() {
      if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
        throw new UnusableException(folder + ": no such folder, or not writable");
      }
      return folder;
    }
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
