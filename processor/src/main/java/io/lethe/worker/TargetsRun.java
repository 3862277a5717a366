package io.lethe.worker;

import com.fasterxml.jackson.databind.JsonNode;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.SampleDataset;
import io.lethe.dataset.SubsetDataset;
import io.lethe.events.JobStage;
import io.lethe.events.UnlearningJob;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Confidence;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.UnlearningException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import java.util.stream.IntStream;

/**
 * The held-out targets of an anchor: a team's own out-of-fold predictions, or those of models that
 * are trained here, fold by fold.
 *
 * <p>Each fold's logits are kept beside the artifacts until the targets are where they are read, or
 * the job cannot succeed: one that is run again trains only the folds that are missing. They lie
 * under the digest of all that they come of, so that no other work takes them for its own, and
 * under the model's name, of which one job is in flight: whichever ends leaves nothing of any.
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

  /**
   * @param erased samples that no model is trained on any more
   */
  HeldOutRows run(List<String> erased) {
    SampleDataset dataset = data.anchored();
    try (LoadedModel anchor = LoadedModel.load(inputs.anchor(), job.getFormat())) {
      outputs = CrossFit.outputs(anchor, dataset);
    }
    if (job.getHeldoutUri().isPresent()) {
      HeldOutTargets targets = adjusted(imported(dataset));
      return rows(dataset, targets.samples(), targets);
    }
    SampleDataset rest = SubsetDataset.without(dataset, erased);
    HeldOutTargets targets = adjusted(crossFitted(rest));
    return rows(rest, targets.samples(), targets);
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

  private HeldOutTargets crossFitted(SampleDataset dataset) {
    Recipe recipe = recipe(job, dataset);
    try (LoadedModel untrained = recipe.init().create(recipe.training().seed())) {
      requireSameClasses("models of the recipe", CrossFit.outputs(untrained, dataset));
    }
    int folds = job.getPolicy().getFolds();
    CrossFit crossFit =
        new CrossFit(
            () -> recipe.init().create(recipe.training().seed()), recipe.training(), folds);
    List<int[]> split =
        crossFit.split(
            IntStream.range(0, dataset.size()).toArray(),
            inputs.groups(dataset),
            recipe.training().seed());
    String work = work(recipe, dataset, split);
    HeldOutTargets[] targets = new HeldOutTargets[folds];
    for (int fold = 0; fold < folds; fold++) {
      targets[fold] = kept(dataset, split.get(fold), name(work, fold)).orElse(null);
    }
    int[] missing = IntStream.range(0, folds).filter(fold -> targets[fold] == null).toArray();
    crossFit.folds(
        dataset,
        split,
        missing,
        (stage, step, steps) -> {
          long perFold = steps / missing.length;
          long before = (folds - missing.length) * perFold;
          inputs.progress().at(JobStage.TRAIN, before + step, before + steps);
        },
        (fold, logits) -> {
          targets[fold] = HeldOutTargets.of(outputs, split.get(fold), logits);
          keep(dataset, split.get(fold), targets[fold], name(work, fold));
        });
    return joined(dataset, split, targets);
  }

  private HeldOutTargets joined(
      SampleDataset dataset, List<int[]> split, HeldOutTargets[] targets) {
    int[] samples = new int[dataset.size()];
    float[] logits = new float[samples.length * outputs];
    int done = 0;
    for (int fold = 0; fold < targets.length; fold++) {
      float[] rows = targets[fold].logits(split.get(fold));
      System.arraycopy(rows, 0, logits, done * outputs, rows.length);
      System.arraycopy(split.get(fold), 0, samples, done, split.get(fold).length);
      done += split.get(fold).length;
    }
    return HeldOutTargets.of(outputs, samples, logits);
  }

  /** What an earlier run of the job found for a fold; another file is as good as none. */
  private Optional<HeldOutTargets> kept(SampleDataset dataset, int[] samples, String name) {
    try {
      return inputs
          .artifacts()
          .kept(name)
          .map(file -> HeldOutFile.read(file, dataset))
          .filter(
              targets ->
                  targets.classes() == outputs
                      && targets.size() == samples.length
                      && targets.cover(samples));
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
  }

  private void keep(SampleDataset dataset, int[] samples, HeldOutTargets targets, String name) {
    try {
      Path file = Files.createTempFile(scratch, "fold", ".npz");
      try {
        HeldOutFile.write(file, dataset, samples, targets);
        inputs.artifacts().keep(name, file);
      } finally {
        Files.deleteIfExists(file);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Deletes what the folds' models said, those of earlier jobs of the model too. */
  static void discard(ArtifactStore artifacts, UnlearningJob job) {
    artifacts.discard(prefix(job));
  }

  private String name(String work, int fold) {
    return "%s%s-fold-%d.npz".formatted(prefix(job), work, fold);
  }

  private static String prefix(UnlearningJob job) {
    return UUID.nameUUIDFromBytes(job.getModelId().getBytes(StandardCharsets.UTF_8)) + "-";
  }

  /** SHA-256 over all that a fold's logits come of, lower-case hex. */
  private String work(Recipe recipe, SampleDataset dataset, List<int[]> split) {
    StringBuilder all = new StringBuilder();
    JsonNode text = recipe.toJson();
    all.append(text).append('\n');
    if (text.path("init").isTextual()) {
      try {
        all.append(Sha256.of(Path.of(text.path("init").asText())));
      } catch (IOException e) {
        throw new UnlearningException("the recipe's untrained model cannot be read");
      }
    }
    all.append('\n').append(dataset.digest()).append('\n').append(outputs);
    for (int[] fold : split) {
      all.append('\n');
      for (int sample : fold) {
        all.append(sample).append(' ').append(dataset.sampleId(sample)).append('\u0000');
      }
    }
    return Sha256.of(all.toString().getBytes(StandardCharsets.UTF_8));
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
