package io.lethe.cli;

import io.lethe.artifact.Sha256;
import io.lethe.events.StageSeconds;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.offline.Aside;
import io.lethe.offline.FisherFile;
import io.lethe.offline.ShownProgress;
import io.lethe.offline.UnlearnReport;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Retraining;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import io.lethe.unlearning.UnlearningResult;
import io.lethe.unlearning.method.DeepClean;
import io.lethe.unlearning.method.HeldoutMatch;
import io.lethe.unlearning.method.Retrain;
import io.lethe.unlearning.method.Unsir;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Function;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe unlearn}. */
@Command(
    name = "unlearn",
    description = {
      "Makes a model forget samples, as a worker would, without Kafka.",
      "Writes the new model and DIR/report.json. Exit code 1: the gate held it."
    },
    footerHeading = "%nMethods:%n",
    mixinStandardHelpOptions = true)
final class UnlearnCommand implements Callable<Integer> {
  private static final String REPORT = "report.json";

  @Mixin private ForgetOptions forget;

  @Option(
      names = "--method",
      paramLabel = "M",
      description =
          "Method to try; repeat it for a ladder (default: heldout-match where --heldout is given,"
              + " then deepclean; with --classes: unsir).")
  private List<String> methods;

  @Option(
      names = "--classes",
      paramLabel = "C",
      split = ",",
      description =
          "Classes to forget whole, in place of --forget; their samples may be gone, and are not"
              + " read by unsir.")
  private Set<Integer> classes = Set.of();

  @Option(
      names = "--recipe",
      paramLabel = "FILE",
      description =
          "How the model was trained, for retrain (default: recipe.json beside it, if it is"
              + " there).")
  private Path recipe;

  @Option(
      names = "--policy",
      paramLabel = "FILE",
      description =
          "Hyperparameters and gate, where they differ, e.g."
              + " {\"methodParameters\": {\"ssd\": {\"share\": 0.1}}}; see UnlearningPolicy.")
  private Path policy;

  @Option(
      names = "--fisher",
      paramLabel = "FILE",
      description = "Fisher sums over the whole dataset (default: they are computed).")
  private Path fisher;

  @Option(
      names = "--heldout",
      paramLabel = "FILE.npz",
      description = "Held-out targets: ids, logits. See lethe anchor.")
  private Path heldOut;

  @Option(names = "--out", paramLabel = "DIR", required = true, description = "Folder to write to.")
  private Path out;

  @Mixin private Compute compute;

  @Override
  public Integer call() throws IOException {
    compute.apply();
    ForgetOptions.Input input = forget.open(classes);
    Optional<HeldOutTargets> targets =
        Optional.ofNullable(heldOut).map(file -> HeldOutFile.read(file, input.dataset()));
    UnlearningPolicy chosen = policy(input);
    Optional<Retraining> retraining =
        chosen.getLadder().contains(Retrain.NAME) ? retraining(input) : Optional.empty();
    Terminal terminal = Terminal.standard();
    Progress progress = ShownProgress.ofJob(terminal);
    String artifact = input.model().outputName();
    try (Aside aside = Aside.in(out)) {
      Path file = aside.file(artifact);
      Path reportFile = aside.file(REPORT);
      Function<FisherDiagonal, UnlearningRequest> request =
          sums ->
              new UnlearningRequest(
                  input.model().path(),
                  input.model().format(),
                  input.dataset(),
                  input.holdout(),
                  input.forget(),
                  new int[0],
                  sums,
                  sums.zero(),
                  targets,
                  Optional.empty(),
                  input.classes(),
                  retraining,
                  chosen,
                  input.seed(),
                  file);
      UnlearningPipeline pipeline = new UnlearningPipeline();
      pipeline.requireMethods(request.apply(new FisherDiagonal(List.of(), input.dataset().size())));
      UnlearningPipeline.Anchor anchor = anchor(input, progress);
      UnlearningResult result = pipeline.unlearn(request.apply(anchor.sums()), progress);
      UnlearnReport report =
          new UnlearnReport(
              result,
              anchor.seconds().getFisher(),
              input.forget().length,
              input.seed(),
              input.model().sha256(),
              input.dataset().digest(),
              artifact,
              Sha256.of(file));
      JsonFiles.write(reportFile, report.toJson());
      aside.done(artifact);
      aside.done(REPORT);
      report.print(terminal);
      return report.released() ? Main.DONE : Main.NEGATIVE;
    }
  }

  private Optional<Retraining> retraining(ForgetOptions.Input input) {
    Path beside = input.model().path().resolveSibling("recipe.json");
    if (recipe == null && !Files.isReadable(beside)) {
      return Optional.empty();
    }
    Recipe how = Recipe.read(recipe == null ? beside : recipe, input.dataset());
    return Optional.of(
        new Retraining(() -> how.init().create(how.training().seed()), how.training()));
  }

  /** The end of the help: every method that a ladder may name, with its hyperparameters. */
  static String methodsHelp(CommandLine.Help help) {
    StringBuilder text = new StringBuilder();
    for (MethodCatalogue.Entry method : MethodCatalogue.installed().entries()) {
      text.append(help.colorScheme().text("  @|bold %s|@: ".formatted(method.name())).toString());
      text.append(method.summary()).append(System.lineSeparator());
      if (!method.defaults().equals("{}")) {
        text.append("      ").append(method.defaults()).append(System.lineSeparator());
      }
    }
    return text.toString();
  }

  private UnlearningPolicy policy(ForgetOptions.Input input) {
    UnlearningPolicy defaults =
        UnlearningPolicy.newBuilder(
                DefaultPolicy.forShare((double) input.forget().length / input.dataset().size()))
            .setLadder(
                input.classes().isEmpty()
                    ? List.of(HeldoutMatch.NAME, DeepClean.NAME)
                    : List.of(Unsir.NAME))
            .build();
    UnlearningPolicy given = PolicyFile.readOrDefaults(policy, defaults);
    return methods == null ? given : UnlearningPolicy.newBuilder(given).setLadder(methods).build();
  }

  private UnlearningPipeline.Anchor anchor(ForgetOptions.Input input, Progress progress) {
    if (fisher == null) {
      return new UnlearningPipeline()
          .anchor(
              input.model().path(), input.model().format(), input.dataset(), new int[0], progress);
    }
    FisherDiagonal sums =
        FisherFile.read(
            fisher, input.model().sha256(), input.dataset().digest(), input.dataset().size());
    return new UnlearningPipeline.Anchor(sums, new StageSeconds(0.0, 0.0, 0.0, 0.0));
  }
}
