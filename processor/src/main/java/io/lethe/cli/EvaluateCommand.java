package io.lethe.cli;

import io.lethe.events.Evaluation;
import io.lethe.model.LoadedModel;
import io.lethe.offline.Measurement;
import io.lethe.offline.ModelFile;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.JobSamples;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe evaluate}. */
@Command(
    name = "evaluate",
    description = {
      "Measures a model on what it must forget, keep and generalise to, on the same seeded samples",
      "as lethe unlearn; with a reference that was trained without the forget samples also ToW."
    },
    mixinStandardHelpOptions = true)
final class EvaluateCommand implements Callable<Integer> {
  @Mixin private ForgetOptions forget;

  @Option(
      names = "--reference",
      paramLabel = "FILE",
      description = "A model that was trained without the forget samples.")
  private Path reference;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the result as JSON.")
  private Path json;

  @Mixin private Compute compute;

  @Override
  public Integer call() throws IOException {
    JsonFiles.requireWritable(json);
    ForgetOptions.Input input = forget.open();
    Optional<ModelFile> other = Optional.ofNullable(reference).map(ModelFile::of);
    compute.apply();
    Terminal terminal = Terminal.standard();
    Evaluator evaluator =
        new JobSamples(input.dataset(), input.holdout(), input.forget(), input.seed()).evaluator();
    Evaluation own = evaluate(evaluator, input.model(), terminal);
    Measurement measurement =
        new Measurement(
            own,
            other.map(file -> evaluate(evaluator, file, terminal)),
            input.holdout().isPresent());
    measurement.print(terminal);
    if (json != null) {
      JsonFiles.write(json, measurement.toJson());
    }
    return Main.DONE;
  }

  private static Evaluation evaluate(Evaluator evaluator, ModelFile file, Terminal terminal) {
    try (LoadedModel model = file.load()) {
      return evaluator.evaluate(model, ShownProgress.ofJob(terminal));
    }
  }
}
