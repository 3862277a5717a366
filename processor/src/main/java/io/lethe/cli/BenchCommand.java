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
import io.lethe.unlearning.method.HeldoutMatch;
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
              defaultValue = "100000")
          int requests,
      @Option(
              names = "--warm-up",
              paramLabel = "N",
              description =
                  "Requests before those, not timed: the JIT compiler takes a core meanwhile"
                      + " (default: ${DEFAULT-VALUE}).",
              defaultValue = "200000")
          int warmUp,
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
              names = "--tasks-per-request",
              paramLabel = "N",
              description =
                  "With --pending: models that were trained on the same data, so that a request"
                      + " on it makes as many tasks (default: ${DEFAULT-VALUE}).",
              defaultValue = "1")
          int tasksPerRequest,
      @Option(
              names = "--unsigned",
              description = "Leave out the signatures of receipts, to see what they cost.")
          boolean unsigned,
      @Mixin KafkaOption kafka,
      @Mixin FolderOption folder,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    if (pending != null) {
      PendingBench.Settings settings =
          new PendingBench.Settings(
              pending,
              models,
              tasksPerRequest,
              PENDING_STEPS,
              Math.min(warmUp, pending),
              threads,
              folder.path());
      json.write(new PendingBench(settings, Terminal.standard()).run());
      return Main.DONE;
    }
    StreamBench.Settings settings =
        new StreamBench.Settings(
            requests,
            warmUp,
            models,
            batch,
            threads,
            commit == null ? null : Duration.ofMillis(commit),
            latencyCommit == null ? null : Duration.ofMillis(latencyCommit),
            events,
            !unsigned,
            kafka.settings(),
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
      @Option(
              names = "--threads",
              paramLabel = "N",
              description = "Stream threads (default: ${DEFAULT-VALUE}).",
              defaultValue = "1")
          int threads,
      @Mixin KafkaOption kafka,
      @Mixin FolderOption folder,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    RestoreBench.Settings settings =
        new RestoreBench.Settings(mib, diagonalMib, threads, kafka.settings(), folder.path());
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
              description =
                  "Methods to compare; ladder is a whole job with the default policy (default:"
                      + " ladder and all methods).")
          List<String> methods,
      @Mixin ErasureOptions erasure,
      @Mixin Compute compute,
      @Mixin JsonOption json)
      throws IOException {
    json.check();
    compute.apply();
    new EraseBench(
            erasure.settings(cases, subjects, methods == null ? EraseBench.allMethods() : methods),
            Terminal.standard())
        .run(json::write);
    return Main.DONE;
  }

  @Command(
      name = "sequence",
      description = {
        "Many batches one after the other by heldout-match, from the anchor, chained, or with a new",
        "anchor whenever the default policy says so, beside a model that was retrained on what is",
        "left."
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
              names = "--modes",
              paramLabel = "NAME",
              split = ",",
              description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).",
              defaultValue = "anchored,chained")
          List<SequenceBench.Mode> modes,
      @Mixin ErasureOptions erasure,
      @Mixin Compute compute,
      @Mixin JsonOption json)
      throws IOException {
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

  /** Kafka's own settings. */
  static final class KafkaOption {
    @Option(
        names = "--kafka",
        paramLabel = "NAME=VALUE",
        description = "A setting of Kafka's over the program's own; repeatable.")
    private Map<String, String> settings = Map.of();

    Map<String, String> settings() {
      return settings;
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
        JsonFiles.publish(file, figures);
      }
    }
  }
}
