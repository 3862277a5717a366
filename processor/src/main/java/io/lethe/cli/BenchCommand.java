package io.lethe.cli;

import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.bench.EraseBench;
import io.lethe.bench.FisherBench;
import io.lethe.bench.PendingBench;
import io.lethe.bench.RestoreBench;
import io.lethe.bench.SequenceBench;
import io.lethe.bench.StreamBench;
import io.lethe.offline.ModelFile;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.method.HeldoutMatch;
import io.lethe.unlearning.method.HeldoutMatchParameters;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
              names = "--model",
              paramLabel = "FILE",
              description = "A model of your own in place of those; needs --input.")
          Path model,
      @Option(
              names = "--input",
              paramLabel = "C,H,W",
              description = "Channels, height and width of its samples.")
          String input,
      @Option(
              names = "--seconds",
              paramLabel = "S",
              description = "Length of a turn (default: ${DEFAULT-VALUE}).",
              defaultValue = "6")
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
                  "First go through so many small minibatches, and tell resident memory at every"
                      + " 50th (default: ${DEFAULT-VALUE}, none).",
              defaultValue = "0")
          int minibatches,
      @Mixin Compute compute,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    if ((model == null) != (input == null)) {
      throw new UnusableException("--model and --input: one without the other");
    }
    Optional<FisherBench.OwnModel> own = Optional.empty();
    if (model != null) {
      ModelFile file = ModelFile.of(model);
      String name = model.getFileName().toString();
      own = Optional.of(new FisherBench.OwnModel(name, inputShape(input), file::load));
    }
    FisherBench.Settings settings =
        new FisherBench.Settings(models, own, seconds, turns, compute.apply(), minibatches);
    json.write(new FisherBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }

  private static Shape inputShape(String text) {
    if (!text.matches("[1-9]\\d{0,5}(,[1-9]\\d{0,5}){2}")) {
      throw new UnusableException("--input: three numbers, such as 3,32,32");
    }
    return new Shape(Arrays.stream(text.split(",")).mapToLong(Long::parseLong).toArray());
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

  @Command(
      name = "erase",
      description = {
        "Every unlearning method beside a model that was retrained without the samples.",
        "Trained models are cached: a run that was cut short goes on where it was."
      },
      mixinStandardHelpOptions = true)
  int erase(
      @Option(
              names = "--cases",
              paramLabel = "NAME",
              split = ",",
              description = "clean, changed, class, overfit, cost (default: ${DEFAULT-VALUE}).",
              defaultValue = "clean,changed,overfit,cost")
          List<String> cases,
      @Option(
              names = "--subjects",
              paramLabel = "N",
              description = "Data subjects in a batch (default: ${DEFAULT-VALUE}).",
              defaultValue = "10")
          int subjects,
      @Option(
              names = "--methods",
              paramLabel = "NAME",
              split = ",",
              description = "Methods to compare (default: all).")
          List<String> methods,
      @Option(
              names = "--heldout-match",
              paramLabel = "RESERVOIR,STEPS,FORGET,RETAIN,RATE,SQUARE",
              description = "Other hyperparameters of heldout-match than its defaults.")
          String tuned,
      @Mixin ErasureOptions erasure,
      @Mixin Compute compute,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    compute.apply();
    new EraseBench(
            erasure.settings(
                cases,
                subjects,
                methods == null
                    ? MethodCatalogue.installed().entries().stream()
                        .map(MethodCatalogue.Entry::name)
                        .toList()
                    : methods,
                heldoutMatch(tuned)),
            Terminal.standard())
        .run(json::write);
    return Main.DONE;
  }

  @Command(
      name = "sequence",
      description = {
        "Many batches one after the other by heldout-match, from the anchor and chained, beside a",
        "model that was retrained on what is left."
      },
      mixinStandardHelpOptions = true)
  int sequence(
      @Option(
              names = "--cases",
              paramLabel = "NAME",
              split = ",",
              description = "clean, changed (default: ${DEFAULT-VALUE}).",
              defaultValue = "clean")
          List<String> cases,
      @Option(
              names = "--batches",
              paramLabel = "N",
              description = "Batches (default: ${DEFAULT-VALUE}).",
              defaultValue = "10")
          int batches,
      @Option(
              names = "--subjects",
              paramLabel = "N",
              description = "Data subjects in a batch (default: ${DEFAULT-VALUE}).",
              defaultValue = "5")
          int subjects,
      @Option(
              names = "--checkpoints",
              paramLabel = "N",
              description =
                  "How often a model is retrained to compare with (default: ${DEFAULT-VALUE}).",
              defaultValue = "1")
          int checkpoints,
      @Option(
              names = "--heldout-match",
              paramLabel = "RESERVOIR,STEPS,FORGET,RETAIN,RATE,SQUARE",
              description = "Other hyperparameters of heldout-match than its defaults.")
          String tuned,
      @Mixin ErasureOptions erasure,
      @Mixin Compute compute,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    compute.apply();
    new SequenceBench(
            new SequenceBench.Settings(
                erasure.settings(cases, subjects, List.of(HeldoutMatch.NAME), heldoutMatch(tuned)),
                batches,
                checkpoints),
            Terminal.standard())
        .run(json::write);
    return Main.DONE;
  }

  private static Optional<HeldoutMatchParameters> heldoutMatch(String text) {
    if (text == null) {
      return Optional.empty();
    }
    String[] parts = text.split(",");
    try {
      return Optional.of(
          new HeldoutMatchParameters(
              Integer.parseInt(parts[0]),
              Integer.parseInt(parts[1]),
              Integer.parseInt(parts[2]),
              Integer.parseInt(parts[3]),
              Double.parseDouble(parts[4]),
              Double.parseDouble(parts[5])));
    } catch (NumberFormatException | ArrayIndexOutOfBoundsException e) {
      throw new UnusableException(
          "--heldout-match: six numbers, such as 3000,200,64,96,1e-3,0.1", e);
    }
  }

  /** What the benches of erasure share. */
  static final class ErasureOptions {
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
        names = "--seeds",
        paramLabel = "N",
        description = "Trials of each case (default: ${DEFAULT-VALUE}).")
    private int seeds = 5;

    @Option(
        names = "--cache",
        paramLabel = "DIR",
        description = "Folder of trained models (default: ${DEFAULT-VALUE}).")
    private Path cache = Path.of("bench-cache");

    EraseBench.Settings settings(
        List<String> cases,
        int subjects,
        List<String> methods,
        Optional<HeldoutMatchParameters> tuned) {
      return new EraseBench.Settings(
          cases,
          dataset,
          Optional.ofNullable(lineage),
          samples,
          subjects,
          folds,
          methods,
          tuned,
          seeds,
          cache);
    }
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
