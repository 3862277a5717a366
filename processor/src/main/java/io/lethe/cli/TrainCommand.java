package io.lethe.cli;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.LoadedModel;
import io.lethe.offline.Aside;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Trainer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe train}. */
@Command(
    name = "train",
    description = {
      "Trains a model by a recipe; writes DIR/model.params and DIR/recipe.json,",
      "and where the recipe starts from a TorchScript file DIR/model.pt."
    },
    mixinStandardHelpOptions = true)
final class TrainCommand implements Callable<Integer> {
  private static final double NANOS = 1e9;

  @Option(
      names = "--dataset",
      paramLabel = "URI",
      required = true,
      description = "Training data, e.g. idx:DIR#train or synthetic:digits.")
  private String dataset;

  @Option(
      names = "--recipe",
      paramLabel = "FILE|NAME",
      required = true,
      description = "mlp, cnn, resnet18, or a JSON file that names what differs from these.")
  private String recipe;

  @Option(
      names = "--epochs",
      paramLabel = "N",
      description = "Passes over the data (default: the recipe's).")
  private Integer epochs;

  @Option(names = "--seed", paramLabel = "N", description = "Seed (default: the recipe's).")
  private Long seed;

  @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder to write to.")
  private Path out;

  @Mixin private Compute compute;

  @Override
  public Integer call() throws IOException {
    compute.apply();
    SampleDataset data = Datasets.open(dataset);
    Recipe chosen =
        Recipe.isName(recipe) ? Recipe.named(recipe, data) : Recipe.read(Path.of(recipe), data);
    chosen = epochs == null ? chosen : chosen.withEpochs(epochs);
    chosen = seed == null ? chosen : chosen.withSeed(seed);
    Terminal terminal = Terminal.standard();
    try (Aside aside = Aside.in(out);
        LoadedModel model = chosen.init().create(chosen.training().seed())) {
      String artifact = chosen.init().outputName();
      Path file = aside.file(artifact);
      Path recipeFile = aside.file("recipe.json");
      long began = System.nanoTime();
      double loss =
          new Trainer(chosen.training())
              .train(
                  model,
                  data,
                  IntStream.range(0, data.size()).toArray(),
                  ShownProgress.ofTraining(
                      terminal, "training", Math.min(chosen.training().batch(), data.size())));
      double seconds = (System.nanoTime() - began) / NANOS;
      model.write(file);
      JsonFiles.write(recipeFile, chosen.toJson());
      aside.done("recipe.json");
      terminal.line(
          "%s: %s samples, %d epochs in %.1f s, loss %.4f over the last"
              .formatted(
                  aside.done(artifact),
                  Terminal.count(data.size()),
                  chosen.training().epochs(),
                  seconds,
                  loss));
    }
    return Main.DONE;
  }
}
