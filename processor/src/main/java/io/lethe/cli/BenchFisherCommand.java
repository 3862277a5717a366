package io.lethe.cli;

import ai.djl.ndarray.types.Shape;
import io.lethe.bench.FisherBench;
import io.lethe.offline.ModelFile;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench fisher}. */
@Command(
    name = "fisher",
    description = "Samples per second of the Fisher diagonal, beside a plain training step.",
    mixinStandardHelpOptions = true)
final class BenchFisherCommand implements Callable<Integer> {
  @Option(
      names = "--models",
      paramLabel = "NAME",
      split = ",",
      description = "Which (default: ${DEFAULT-VALUE}).",
      defaultValue = "mlp,cnn,resnet18")
  private List<String> models;

  @Option(
      names = "--model",
      paramLabel = "FILE",
      description = "A model of your own in place of those; needs --input.")
  private Path model;

  @Option(
      names = "--input",
      paramLabel = "C,H,W",
      description = "Channels, height and width of its samples.")
  private String input;

  @Option(
      names = "--seconds",
      paramLabel = "S",
      description = "Length of a turn (default: ${DEFAULT-VALUE}).",
      defaultValue = "6")
  private double seconds;

  @Option(
      names = "--turns",
      paramLabel = "N",
      description = "Turns, of which the median is taken (default: ${DEFAULT-VALUE}).",
      defaultValue = "5")
  private int turns;

  @Option(
      names = "--minibatches",
      paramLabel = "N",
      description =
          "First go through so many small minibatches, and tell resident memory at every"
              + " 50th (default: ${DEFAULT-VALUE}, none).",
      defaultValue = "0")
  private int minibatches;

  @Mixin private Compute compute;
  @Mixin private BenchCommand.JsonOption json;

  @Override
  public Integer call() throws IOException {
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
}
