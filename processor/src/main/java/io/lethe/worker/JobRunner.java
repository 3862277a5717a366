package io.lethe.worker;

import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactException;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.DatasetException;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.Evaluation;
import io.lethe.events.FisherUpdateKind;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobStage;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSource;
import io.lethe.fisher.FisherSums;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.model.LoadedModel;
import io.lethe.model.ModelException;
import io.lethe.unlearning.JobSamples;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import io.lethe.unlearning.UnlearningResult;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Runs one job: fetches what it names, computes, stores the new model.
 *
 * <p>The same job gives the same weights, so a job that is run twice does no harm. Failures come
 * back as an outcome; only a cancellation is thrown.
 */
final class JobRunner {
  private static final Logger log = LoggerFactory.getLogger(JobRunner.class);

  private static final Duration STORES_PATIENCE = Duration.ofMinutes(10);
  private static final Duration STORES_RETRY = Duration.ofMillis(500);

  private final WorkerSettings settings;
  private final ArtifactStore artifacts;
  private final FisherSource fisher;
  private final Clock clock;
  private final UnlearningPipeline pipeline = new UnlearningPipeline();

  JobRunner(WorkerSettings settings, FisherSource fisher, Clock clock) {
    this.settings = settings;
    this.artifacts = ArtifactStores.open(ArtifactStores.location(settings.artifacts()));
    this.fisher = fisher;
    this.clock = clock;
  }

  /**
   * Runs a job to its end.
   *
   * @throws CancellationException when {@code progress} threw it
   */
  JobResult run(UnlearningJob job, Progress progress) {
    try {
      return job.getKind() == JobKind.ANCHOR ? anchor(job, progress) : unlearn(job, progress);
    } catch (CancellationException e) {
      throw e;
    } catch (ArtifactException e) {
      return failed(job, e, e.reason() == ArtifactException.Reason.STORAGE);
    } catch (FisherUnavailableException e) {
      return failed(job, e, true);
    } catch (DatasetException e) {
      // Its message may name a file, and a file may be a sample.
      return failed(
          job,
          new UnlearningException(
              "a dataset of the job cannot be read; ./lethe evaluate on it says what and where"),
          false);
    } catch (ModelException | UnlearningException e) {
      return failed(job, e, false);
    } catch (RuntimeException e) {
      log.error("job failed unexpectedly jobId={} modelId={}", job.getJobId(), job.getModelId(), e);
      return failed(job, new IllegalStateException(e.getClass().getName()), true);
    }
  }

  private JobResult anchor(UnlearningJob job, Progress progress) {
    Path model =
        artifacts.fetch(ArtifactStores.location(job.getAnchorUri()), job.getAnchorSha256());
    SampleDataset dataset = Datasets.open(job.getDatasetUri());
    var anchor =
        pipeline.anchor(
            model, job.getFormat(), dataset, present(dataset, job.getErasedSampleIds()), progress);
    JobOutcome outcome =
        outcome(job, Verdict.RELEASE)
            .setFisherSamples(Math.toIntExact(anchor.sums().samples()))
            .setSeconds(anchor.seconds())
            .build();
    return new JobResult(
        outcome, Optional.of(new JobResult.Update(FisherUpdateKind.SNAPSHOT, anchor.sums())));
  }

  private JobResult unlearn(UnlearningJob job, Progress progress) {
    Path model =
        artifacts.fetch(ArtifactStores.location(job.getAnchorUri()), job.getAnchorSha256());
    SampleDataset dataset = Datasets.open(job.getDatasetUri());
    Optional<SampleDataset> holdout = job.getHoldoutUri().map(Datasets::open);
    FisherSums sums = awaitSums(job, progress);
    int[] batch =
        job.getCarriedOver()
            ? present(dataset, job.getSampleIds())
            : positions(dataset, job.getSampleIds());
    if (batch.length == 0) {
      return nothingHeld(job, model, dataset, holdout, sums);
    }
    Path output = scratchFile(job);
    try {
      UnlearningResult result =
          pipeline.unlearn(
              new UnlearningRequest(
                  model,
                  job.getFormat(),
                  dataset,
                  holdout,
                  batch,
                  present(dataset, job.getErasedSampleIds()),
                  sums.retained(),
                  sums.erased(),
                  job.getPolicy(),
                  job.getPolicy().getSeed(),
                  output),
              progress);
      Artifact artifact = artifacts.put(output);
      return result(job, result, artifact);
    } finally {
      delete(output);
    }
  }

  /**
   * The anchor's sums. While the stores start, restore or move they cannot be had; a job that waits
   * for them has not failed.
   *
   * @throws FisherUnavailableException when they cannot be had for a long time
   */
  private FisherSums awaitSums(UnlearningJob job, Progress progress) {
    long deadline = System.nanoTime() + STORES_PATIENCE.toNanos();
    while (true) {
      try {
        return fisher.sums(job.getModelId(), job.getAnchorId());
      } catch (FisherUnavailableException e) {
        if (System.nanoTime() > deadline) {
          throw e;
        }
        progress.at(JobStage.LOAD, 0, 1); // throws when the worker stops
        pause();
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(STORES_RETRY.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for the stores");
    }
  }

  private JobResult result(UnlearningJob job, UnlearningResult result, Artifact artifact) {
    // A person's release stands over the gate, whose checks stay on record as they came out.
    boolean released = result.verdict() == Verdict.RELEASE || job.getGateOverridden();
    JobOutcome outcome =
        outcome(job, released ? Verdict.RELEASE : result.verdict())
            .setFisherSamples(released ? Math.toIntExact(result.batchFisher().samples()) : 0)
            .setArtifactUri(artifact.uri().toString())
            .setArtifactSha256(artifact.sha256())
            .setMethod(result.method())
            .setSelectedFraction(result.selectedFraction())
            .setBefore(result.before())
            .setAfter(result.after())
            .setControl(result.control())
            .setChecks(result.checks())
            .setSeconds(result.seconds())
            .build();
    return new JobResult(
        outcome,
        released
            ? Optional.of(new JobResult.Update(FisherUpdateKind.SUBTRACT, result.batchFisher()))
            : Optional.empty());
  }

  /**
   * Of samples that earlier anchors had forgotten, this anchor was trained on none: it is released
   * as it is.
   */
  private JobResult nothingHeld(
      UnlearningJob job,
      Path model,
      SampleDataset dataset,
      Optional<SampleDataset> holdout,
      FisherSums sums) {
    Evaluation evaluation;
    try (LoadedModel anchor = LoadedModel.load(model, job.getFormat())) {
      evaluation =
          new JobSamples(
                  dataset,
                  holdout,
                  present(dataset, job.getErasedSampleIds()),
                  job.getPolicy().getSeed())
              .evaluator()
              .evaluate(anchor, Progress.NONE);
    }
    JobOutcome outcome =
        outcome(job, Verdict.RELEASE)
            .setArtifactUri(job.getAnchorUri())
            .setArtifactSha256(job.getAnchorSha256())
            .setMethod("none")
            .setSelectedFraction(0.0)
            .setBefore(evaluation)
            .setAfter(evaluation)
            .build();
    FisherDiagonal nothing = sums.retained().zero();
    return new JobResult(
        outcome, Optional.of(new JobResult.Update(FisherUpdateKind.SUBTRACT, nothing)));
  }

  private JobResult failed(UnlearningJob job, RuntimeException reason, boolean retryable) {
    log.warn(
        "job failed jobId={} modelId={} retryable={} reason={}",
        job.getJobId(),
        job.getModelId(),
        retryable,
        reason.getMessage());
    return new JobResult(
        outcome(job, Verdict.FAILED).setError(reason.getMessage()).setRetryable(retryable).build(),
        Optional.empty());
  }

  private JobOutcome.Builder outcome(UnlearningJob job, Verdict verdict) {
    return JobOutcome.newBuilder()
        .setJobId(job.getJobId())
        .setKind(job.getKind())
        .setModelId(job.getModelId())
        .setAttempt(job.getAttempt())
        .setVerdict(verdict)
        .setWorker(settings.id())
        .setFinishedAt(clock.instant());
  }

  /**
   * Positions of samples to forget. A sample that the dataset lacks cannot be unlearned by a method
   * that reads it, and a release must not claim it: that is an error, not a sample to be passed
   * over.
   */
  private static int[] positions(SampleDataset dataset, List<String> sampleIds) {
    int[] positions = present(dataset, sampleIds);
    if (positions.length < sampleIds.size()) {
      throw new UnlearningException(
          "the dataset lacks %d of %d samples that the job names"
              .formatted(sampleIds.size() - positions.length, sampleIds.size()));
    }
    return positions;
  }

  /** Positions of those samples that the dataset still has: the source deletes what was erased. */
  private static int[] present(SampleDataset dataset, List<String> sampleIds) {
    return sampleIds.stream()
        .map(dataset::indexOf)
        .filter(OptionalInt::isPresent)
        .mapToInt(OptionalInt::getAsInt)
        .toArray();
  }

  private Path scratchFile(UnlearningJob job) {
    String extension = job.getFormat() == ModelFormat.TORCHSCRIPT ? ".pt" : ".params";
    return settings.scratch().resolve(job.getJobId() + extension);
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
