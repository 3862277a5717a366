package io.lethe.worker;

import io.lethe.artifact.ArtifactException;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.StageSeconds;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.heldout.HeldOutRows;
import io.lethe.unlearning.UnlearningPipeline;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Computes what unlearning from an anchor needs: its Fisher sums and its held-out targets. */
final class AnchorRun {
  private static final Logger log = LoggerFactory.getLogger(AnchorRun.class);

  private final JobInputs inputs;
  private final Outcomes outcomes;
  private final Path scratch;
  private final UnlearningJob job;

  AnchorRun(JobInputs inputs, Outcomes outcomes, Path scratch) {
    this.inputs = inputs;
    this.outcomes = outcomes;
    this.scratch = scratch;
    this.job = inputs.job();
  }

  JobResult run(UnlearningPipeline pipeline) {
    var known = inputs.forgetSet();
    JobData data = new JobData(inputs, known);
    SampleDataset dataset = data.anchored();
    Optional<UnlearningPipeline.Anchor> anchor = Optional.empty();
    if (job.getFisher()) {
      anchor =
          Optional.of(
              pipeline.anchor(
                  inputs.anchor(), job.getFormat(), dataset, new int[0], inputs.progress()));
    }
    Optional<HeldOutRows> targets = Optional.empty();
    if (job.getHeldout()) {
      targets = Optional.of(new TargetsRun(inputs, data, scratch).run(known));
    }
    deleteObsolete();
    return new JobResult(
        outcomes
            .of(job, Verdict.RELEASE)
            .setFisherSamples(anchor.map(made -> Math.toIntExact(made.sums().samples())).orElse(0))
            .setHeldoutSamples(targets.map(rows -> (long) rows.sampleIds().size()).orElse(0L))
            .setSeconds(
                anchor
                    .map(UnlearningPipeline.Anchor::seconds)
                    .orElseGet(() -> new StageSeconds(0.0, 0.0, 0.0, 0.0)))
            .build(),
        anchor.map(made -> new JobResult.Update(FisherUpdateKind.SNAPSHOT, made.sums())),
        targets,
        () -> TargetsRun.discard(inputs.artifacts(), job));
  }

  /** What lies elsewhere than in the store for new models is its owner's. */
  private void deleteObsolete() {
    int kept = 0;
    for (String uri : job.getObsoleteArtifacts()) {
      try {
        inputs.artifacts().delete(ArtifactStores.location(uri));
      } catch (ArtifactException e) {
        kept++;
      }
    }
    if (kept > 0) {
      log.warn(
          "models of a superseded anchor were not deleted: they are not in the artifact store"
              + " jobId={} modelId={} models={}",
          job.getJobId(),
          job.getModelId(),
          kept);
    }
  }
}
