package io.lethe.worker;

import io.lethe.artifact.Artifact;
import io.lethe.dataset.SampleDataset;
import io.lethe.dataset.SubsetDataset;
import io.lethe.events.GateCheck;
import io.lethe.events.JobStage;
import io.lethe.events.ResolvedClass;
import io.lethe.events.StageSeconds;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.model.LoadedModel;
import io.lethe.state.ForgetSet;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.Gate;
import io.lethe.unlearning.JobSamples;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Trainer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Trains the model anew, by its recipe, without all that was erased. */
final class RetrainRun {
  static final String METHOD = "retrain";

  private final JobInputs inputs;
  private final Outcomes outcomes;
  private final UnlearningJob job;

  RetrainRun(JobInputs inputs, Outcomes outcomes) {
    this.inputs = inputs;
    this.outcomes = outcomes;
    this.job = inputs.job();
  }

  /**
   * The classes that are left out whole: those of the job, and earlier ones that are still there.
   */
  private Set<Integer> classes(SampleDataset dataset, ForgetSet known, int[] without) {
    Set<Integer> there =
        Arrays.stream(without).mapToObj(dataset::label).collect(Collectors.toSet());
    Set<Integer> labels = new HashSet<>(ForgottenClasses.labels(known.getErasedClasses()));
    labels.retainAll(there);
    labels.addAll(ForgottenClasses.labels(job.getClasses()));
    return labels;
  }

  JobResult run(Path output) {
    ForgetSet known = inputs.forgetSet();
    JobData data = new JobData(inputs, known);
    SampleDataset dataset = data.anchored();
    List<ResolvedClass> classes = ForgottenClasses.resolve(data.unerased(), job.getClasses());
    List<String> forget = new ArrayList<>(known.getErased());
    forget.addAll(job.getSampleIds());
    classes.forEach(of -> forget.addAll(of.getSampleIds()));
    SampleDataset rest = SubsetDataset.without(dataset, forget);
    Recipe recipe = TargetsRun.recipe(job, rest);
    int[] without = JobInputs.present(dataset, forget);
    Evaluator evaluator =
        new JobSamples(
                dataset,
                data.holdout(),
                without,
                classes(dataset, known, without),
                new int[0],
                Optional.empty(),
                job.getPolicy().getSeed())
            .evaluator();
    Evaluator.Measured before;
    try (LoadedModel anchor = LoadedModel.load(inputs.anchor(), job.getFormat())) {
      before = evaluator.measure(anchor, Optional.empty(), inputs.progress());
    }
    long began = System.nanoTime();
    try (LoadedModel model = recipe.init().create(recipe.training().seed())) {
      new Trainer(recipe.training())
          .train(
              model,
              rest,
              IntStream.range(0, rest.size()).toArray(),
              (stage, step, steps) -> inputs.progress().at(JobStage.TRAIN, step, steps));
      final double seconds = (System.nanoTime() - began) * 1e-9;
      Evaluator.Measured after = evaluator.measure(model, Optional.of(before), inputs.progress());
      inputs.progress().at(JobStage.STORE, 0, 1);
      model.write(output);
      Artifact artifact = inputs.artifacts().put(output);
      List<GateCheck> checks = new Gate(job.getPolicy().getGate()).check(before, after);
      Optional<String> objection = Outcomes.objection(job, artifact);
      boolean passed = Gate.passed(checks) || job.getGateOverridden();
      boolean released = passed && objection.isEmpty();
      return new JobResult(
          outcomes
              .of(job, released ? Verdict.RELEASE : Verdict.HOLD)
              .setError(objection.orElse(null))
              .setArtifactUri(artifact.uri().toString())
              .setArtifactSha256(artifact.sha256())
              .setMethod(METHOD)
              .setSelectedFraction(1.0)
              .setBefore(before.evaluation())
              .setAfter(after.evaluation())
              .setChecks(checks)
              .setResolvedClasses(classes)
              .setSeconds(new StageSeconds(0.0, seconds, 0.0, 0.0))
              .build(),
          Optional.empty(),
          Optional.empty());
    }
  }
}
