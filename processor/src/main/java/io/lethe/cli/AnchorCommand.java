package io.lethe.cli;

import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.LineageFile;
import io.lethe.dataset.SampleDataset;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import io.lethe.offline.Aside;
import io.lethe.offline.FisherFile;
import io.lethe.offline.ModelFile;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Confidence;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.KeptFolds;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Sampling;
import io.lethe.worker.SampleGroups;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe anchor}. */
@Command(
    name = "anchor",
    description = {
      "Computes what unlearning from a model needs, once: DIR/fisher.safetensors, and with a recipe",
      "DIR/heldout.npz, what models that never saw a sample say about it (costs K - 1 trainings).",
      "One that was stopped goes on, run again with the same --out, with the models it lacks; what",
      "the others said lies in DIR/.lethe-folds until then. Delete that folder to give it up."
    },
    mixinStandardHelpOptions = true)
final class AnchorCommand implements Callable<Integer> {
  private static final String FISHER = "fisher.safetensors";
  private static final String HELD_OUT = "heldout.npz";

  /** In the folder to write to, as long as not all folds are there. */
  static final String FOLDS = ".lethe-folds";

  private static final double NANOS = 1e9;

  @Option(names = "--model", paramLabel = "FILE", required = true, description = "The model.")
  private Path model;

  @Option(
      names = "--dataset",
      paramLabel = "URI",
      required = true,
      description = "Its training data, e.g. idx:DIR#train or synthetic:digits.")
  private String dataset;

  @Option(
      names = "--holdout",
      paramLabel = "URI",
      description =
          "Samples that it never saw: held-out targets are made as sure as it is of them.")
  private String holdout;

  @Option(
      names = "--lineage",
      paramLabel = "FILE",
      description =
          "Whose samples are whose, as a CSV of sample_id,subject_id: no fold's model sees any of a"
              + " subject (default: as the dataset says, else each sample is its own subject).")
  private Path lineage;

  @Option(
      names = "--recipe",
      paramLabel = "FILE",
      description = "How the model was trained (default: recipe.json beside it, if it is there).")
  private Path recipe;

  @Option(
      names = "--folds",
      paramLabel = "K",
      description = "Models to train, each without its fold (default: ${DEFAULT-VALUE}).",
      defaultValue = "5")
  private int folds;

  @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder to write to.")
  private Path out;

  @Mixin private Compute compute;

  @Override
  public Integer call() throws IOException {
    compute.apply();
    ModelFile file = ModelFile.of(model);
    SampleDataset data = Datasets.open(dataset);
    Optional<SampleDataset> unseen = Optional.ofNullable(holdout).map(Datasets::open);
    Optional<Recipe> how = recipeFile().map(path -> Recipe.read(path, data));
    if (folds < 2 || folds > data.size()) {
      throw new UnusableException("--folds: 2 to %d, not %d".formatted(data.size(), folds));
    }
    IntFunction<String> subjects = subjects(data);
    int outputs = how.map(given -> outputs(file, given, data)).orElse(0);
    Terminal terminal = Terminal.standard();
    try (Aside aside = Aside.in(out)) {
      fisher(file, data, aside, terminal);
      if (how.isPresent()) {
        KeptFolds.Work work =
            new KeptFolds.Work(
                how.get(),
                folds,
                outputs,
                data,
                Sampling.complement(data.size()),
                new int[0],
                subjects);
        heldOut(file, work, unseen, aside, terminal);
      } else {
        terminal.line("no held-out targets: they take a recipe (--recipe FILE)");
      }
    }
    return Main.DONE;
  }

  /** As a worker groups samples by the lineage topic. */
  private IntFunction<String> subjects(SampleDataset data) {
    Collection<List<String>> samples =
        lineage == null ? List.of() : LineageFile.read(lineage).values();
    boolean known =
        samples.stream().flatMap(List::stream).anyMatch(id -> data.indexOf(id).isPresent());
    if (lineage != null && !known) {
      throw new UnusableException(lineage + ": names no sample of the dataset");
    }
    return SampleGroups.of(data, "", (id, taker, alive) -> samples.forEach(taker), () -> {});
  }

  private Optional<Path> recipeFile() {
    if (recipe != null) {
      return Optional.of(recipe);
    }
    return Optional.of(model.resolveSibling("recipe.json")).filter(Files::isReadable);
  }

  private static void fisher(ModelFile file, SampleDataset data, Aside aside, Terminal terminal)
      throws IOException {
    Path partial = aside.file(FISHER);
    try (LoadedModel loaded = file.load()) {
      FisherDiagonal sums =
          new FisherComputer(loaded)
              .sum(data, IntStream.range(0, data.size()).toArray(), ShownProgress.ofJob(terminal));
      FisherFile.write(partial, sums, file.sha256(), data.digest());
    }
    terminal.line(aside.done(FISHER) + ": " + Terminal.count(data.size()) + " samples");
  }

  /** Outputs of the model, which the recipe's models must have as well. */
  private static int outputs(ModelFile file, Recipe how, SampleDataset data) {
    try (LoadedModel anchor = file.load();
        LoadedModel untrained = how.init().create(how.training().seed())) {
      int wanted = CrossFit.outputs(anchor, data);
      int made = CrossFit.outputs(untrained, data);
      if (made != wanted) {
        throw new UnusableException(
            "--recipe: makes models of %d classes, %s has %d".formatted(made, file.path(), wanted));
      }
      return wanted;
    }
  }

  private void heldOut(
      ModelFile file,
      KeptFolds.Work work,
      Optional<SampleDataset> unseen,
      Aside aside,
      Terminal terminal)
      throws IOException {
    Path partial = aside.file(HELD_OUT);
    Path kept = out.resolve(FOLDS).toAbsolutePath();
    long began = System.nanoTime();
    HeldOutTargets targets =
        new KeptFolds(ArtifactStores.open(kept.toUri()), "", partial.getParent())
            .run(
                work,
                resumed -> sayResumed(resumed, terminal),
                ShownProgress.ofTraining(
                    terminal, "cross-fitting", work.recipe().training().batch()));
    if (unseen.isPresent()) {
      try (LoadedModel anchor = file.load()) {
        targets = Confidence.adjusted(targets, anchor, unseen.get());
      }
    }
    double seconds = (System.nanoTime() - began) / NANOS;
    HeldOutFile.write(partial, work.dataset(), work.samples(), targets);
    terminal.line(
        "%s: %s samples, %d folds in %.1f s"
            .formatted(
                aside.done(HELD_OUT), Terminal.count(work.samples().length), folds, seconds));
    Folders.delete(kept);
  }

  private void sayResumed(int resumed, Terminal terminal) {
    if (resumed > 0) {
      terminal.line(
          "%d of %d folds are there from a run that was stopped".formatted(resumed, folds));
    }
  }
}
