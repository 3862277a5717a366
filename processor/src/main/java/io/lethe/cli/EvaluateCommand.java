package io.lethe.cli;

import io.lethe.dataset.SampleDataset;
import io.lethe.model.LoadedModel;
import io.lethe.offline.Measurement;
import io.lethe.offline.ModelFile;
import io.lethe.offline.Shadows;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.JobSamples;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Relearning;
import io.lethe.unlearning.Tow;
import io.lethe.unlearning.method.DeepClean;
import io.lethe.unlearning.method.HeldoutMatch;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe evaluate}. */
@Command(
    name = "evaluate",
    description = {
      "Measures a model on what it must forget, keep and generalise to, on the same seeded samples",
      "as lethe unlearn, and how fast it relearns what it must forget; with a reference that was",
      "trained without the forget samples also ToW."
    },
    mixinStandardHelpOptions = true)
final class EvaluateCommand implements Callable<Integer> {
  @Mixin private ForgetOptions forget;

  @Option(
      names = "--reference",
      paramLabel = "FILE",
      description = "A model that was trained without the forget samples.")
  private Path reference;

  @Option(
      names = "--shadow",
      paramLabel = "K",
      description = {
        "Also train K models on everything and unlearn from each, train K others without the"
            + " forget",
        "samples, and compare: the NeurIPS 2023 unlearning score and KLOM. Needs --recipe."
      })
  private Integer shadow;

  @Option(
      names = "--recipe",
      paramLabel = "FILE|NAME",
      description = "How shadow models are trained; see lethe train.")
  private String recipe;

  @Option(
      names = "--method",
      paramLabel = "M",
      description =
          "How shadow models are unlearned from; repeat it for a ladder (default: heldout-match"
              + " where --heldout is given, else deepclean).")
  private List<String> methods;

  @Option(
      names = "--heldout",
      paramLabel = "FILE.npz",
      description = "Held-out targets: ids, logits. See lethe anchor.")
  private Path heldOut;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the result as JSON.")
  private Path json;

  @Mixin private Compute compute;

  @Override
  public Integer call() throws IOException {
    JsonFiles.requireWritable(json);
    ForgetOptions.Input input = forget.open();
    Optional<ModelFile> other = Optional.ofNullable(reference).map(ModelFile::of);
    Optional<HeldOutTargets> targets =
        Optional.ofNullable(heldOut).map(file -> HeldOutFile.read(file, input.dataset()));
    Optional<Shadows> shadows = shadows(input, targets);
    compute.apply();
    Terminal terminal = Terminal.standard();
    JobSamples samples =
        new JobSamples(
            input.dataset(),
            input.holdout(),
            input.forget(),
            Set.of(),
            new int[0],
            targets,
            input.seed());
    Evaluator.Measured own = measure(samples, input, input.model(), terminal);
    Optional<Evaluator.Measured> beside =
        other.map(file -> measure(samples, input, file, terminal));
    Measurement measurement =
        new Measurement(
            own.evaluation(),
            beside.map(Evaluator.Measured::evaluation),
            beside.map(measured -> Tow.between(own, measured)),
            shadows.map(all -> all.run(terminal)),
            input.holdout().isPresent());
    measurement.print(terminal);
    if (json != null) {
      JsonFiles.publish(json, measurement.toJson());
    }
    return Main.DONE;
  }

  private Optional<Shadows> shadows(ForgetOptions.Input input, Optional<HeldOutTargets> targets) {
    if (shadow == null) {
      return Optional.empty();
    }
    if (recipe == null || shadow < 2) {
      throw new UnusableException("--shadow takes at least 2 models, and --recipe");
    }
    SampleDataset data = input.dataset();
    Recipe chosen =
        Recipe.isName(recipe) ? Recipe.named(recipe, data) : Recipe.read(Path.of(recipe), data);
    List<String> ladder =
        methods != null
            ? methods
            : List.of(targets.isPresent() ? HeldoutMatch.NAME : DeepClean.NAME);
    return Optional.of(
        new Shadows(
            shadow, chosen, data, input.holdout(), input.forget(), targets, ladder, input.seed()));
  }

  private static Evaluator.Measured measure(
      JobSamples samples, ForgetOptions.Input input, ModelFile file, Terminal terminal) {
    Progress progress = ShownProgress.ofJob(terminal);
    try (LoadedModel model = file.load()) {
      Evaluator.Measured measured = samples.evaluator().measure(model, Optional.empty(), progress);
      return measured.with(
          Relearning.time(model, input.dataset(), input.forget(), input.seed(), progress));
    }
  }
}
