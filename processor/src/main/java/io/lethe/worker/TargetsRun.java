package io.lethe.worker;

import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ReleaseMode;
import io.lethe.events.UnlearningJob;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.LoadedModel;
import io.lethe.state.ForgetSet;
import io.lethe.unlearning.Confidence;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.KeptFolds;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.UUID;

/**
 * The held-out targets of an anchor: a team's own out-of-fold predictions, or those of models that
 * are trained here, fold by fold.
 *
 * <p>Each fold's logits are kept beside the artifacts until the targets are where they are read, or
 * the job cannot succeed: one that is run again trains only the {@link KeptFolds folds} that are
 * missing. They lie under the model's name, of which one job is in flight: whichever ends leaves
 * nothing of any.
 */
final class TargetsRun {
  private final JobInputs inputs;
  private final JobData data;
  private final UnlearningJob job;
  private final Path scratch;
  private int outputs;

  /**
   * @param scratch folder for files of running jobs
   */
  TargetsRun(JobInputs inputs, JobData data, Path scratch) {
    this.inputs = inputs;
    this.data = data;
    this.scratch = scratch;
    this.job = inputs.job();
  }

  HeldOutRows run(ForgetSet known) {
    SampleDataset dataset = data.anchored();
    try (LoadedModel anchor = LoadedModel.load(inputs.anchor(), job.getFormat())) {
      outputs = CrossFit.outputs(anchor, dataset);
    }
    if (job.getHeldoutUri().isPresent()) {
      HeldOutTargets targets = adjusted(imported(dataset));
      return rows(dataset, targets.samples(), targets);
    }
    HeldOutTargets targets = adjusted(crossFitted(dataset, known));
    return rows(dataset, targets.samples(), targets);
  }

  /** As sure as the anchor is of its holdout set, where it has one, of the classes it knows. */
  private HeldOutTargets adjusted(HeldOutTargets targets) {
    return data.holdout()
        .map(
            holdout -> {
              try (LoadedModel anchor = LoadedModel.load(inputs.anchor(), job.getFormat())) {
                return Confidence.adjusted(targets, anchor, holdout);
              }
            })
        .orElse(targets);
  }

  private HeldOutTargets imported(SampleDataset dataset) {
    Path file =
        inputs
            .artifacts()
            .fetch(
                ArtifactStores.location(job.getHeldoutUri().orElseThrow()),
                job.getHeldoutSha256().orElseThrow());
    HeldOutTargets targets;
    try {
      targets = HeldOutFile.readKnown(file, dataset);
    } catch (IllegalArgumentException e) {
      // Its message may name a sample.
      throw new UnlearningException(
          "the out-of-fold predictions cannot be used; ./lethe unlearn --heldout says why");
    }
    requireSameClasses("the out-of-fold predictions", targets.classes());
    return targets;
  }

  private void requireSameClasses(String what, int classes) {
    if (classes != outputs) {
      throw new UnlearningException(
          "%s are of %d classes, the model has %d".formatted(what, classes, outputs));
    }
  }

  /**
   * Also of what was erased since the anchor, on which no model is trained, as long as releases
   * start from it: they forget all of it again. Those of a chained policy do not, nor those of a
   * model that has forgotten a class, of which the folds' models know nothing to say.
   */
  private HeldOutTargets crossFitted(SampleDataset dataset, ForgetSet known) {
    int[] erased = JobInputs.present(dataset, known.getErased());
    boolean chained =
        job.getPolicy().getMode() == ReleaseMode.CHAINED || !known.getErasedClasses().isEmpty();
    Recipe recipe = recipe(job, dataset);
    try (LoadedModel untrained = recipe.init().create(recipe.training().seed())) {
      requireSameClasses("models of the recipe", CrossFit.outputs(untrained, dataset));
    }
    KeptFolds.Work work =
        new KeptFolds.Work(
            recipe,
            job.getPolicy().getFolds(),
            outputs,
            dataset,
            Sampling.complement(dataset.size(), erased),
            chained ? new int[0] : erased,
            inputs.groups(dataset));
    return new KeptFolds(inputs.artifacts(), prefix(job), scratch)
        .run(work, resumed -> {}, inputs.progress());
  }

  /** Deletes what the folds' models said, those of earlier jobs of the model too. */
  static void discard(ArtifactStore artifacts, UnlearningJob job) {
    artifacts.discard(prefix(job));
  }

  private static String prefix(UnlearningJob job) {
    return UUID.nameUUIDFromBytes(job.getModelId().getBytes(StandardCharsets.UTF_8)) + "-";
  }

  /** The job's recipe for a dataset. */
  static Recipe recipe(UnlearningJob job, SampleDataset dataset) {
    String text =
        job.getRecipe()
            .orElseThrow(() -> new UnlearningException("the model has no training recipe"));
    try {
      return Recipe.of(text, dataset);
    } catch (IllegalArgumentException e) {
      throw new UnlearningException("the training recipe cannot be used: " + e.getMessage());
    }
  }

  private static HeldOutRows rows(SampleDataset dataset, int[] samples, HeldOutTargets targets) {
    return new HeldOutRows(
        targets.classes(),
        Arrays.stream(samples).mapToObj(dataset::sampleId).toList(),
        targets.logits(samples));
  }
}
