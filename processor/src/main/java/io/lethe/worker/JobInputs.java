package io.lethe.worker;

import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherSource;
import io.lethe.fisher.FisherSums;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.ForgetSource;
import io.lethe.state.ForgetSet;
import io.lethe.unlearning.Progress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.function.IntFunction;
import java.util.function.Supplier;

/**
 * What a job names: models, datasets, and what the stores keep for it. While the stores start,
 * restore or move they cannot be read; a job that waits for them has not failed.
 */
final class JobInputs {
  private static final Duration PATIENCE = Duration.ofMinutes(10);
  private static final Duration RETRY = Duration.ofMillis(500);

  private final UnlearningJob job;
  private final ArtifactStore artifacts;
  private final FisherSource fisher;
  private final ForgetSource forget;
  private final SubjectSource subjects;
  private final Progress progress;

  JobInputs(
      UnlearningJob job,
      ArtifactStore artifacts,
      FisherSource fisher,
      ForgetSource forget,
      SubjectSource subjects,
      Progress progress) {
    this.job = job;
    this.artifacts = artifacts;
    this.fisher = fisher;
    this.forget = forget;
    this.subjects = subjects;
    this.progress = progress;
  }

  UnlearningJob job() {
    return job;
  }

  ArtifactStore artifacts() {
    return artifacts;
  }

  Progress progress() {
    return progress;
  }

  /** The anchor's model file. */
  Path anchor() {
    return artifacts.fetch(ArtifactStores.location(job.getAnchorUri()), job.getAnchorSha256());
  }

  /** The last release since the anchor; empty where there is none. */
  Optional<Path> parent() {
    return job.getParentUri()
        .map(
            uri ->
                artifacts.fetch(ArtifactStores.location(uri), job.getParentSha256().orElseThrow()));
  }

  SampleDataset dataset() {
    return Datasets.open(job.getDatasetUri());
  }

  Optional<SampleDataset> holdout() {
    return job.getHoldoutUri().map(Datasets::open);
  }

  /** Which samples of the job's dataset, or of a part of it, belong to one data subject. */
  IntFunction<String> groups(SampleDataset dataset) {
    return SampleGroups.of(
        dataset, job.getDatasetId(), subjects, () -> progress.at(JobStage.LOAD, 0, 1));
  }

  /**
   * What was erased, and held-out targets.
   *
   * @throws ForgetSetUnavailableException when it cannot be had for a long time, or no longer
   */
  ForgetSet forgetSet() {
    return await(() -> forget.forgetSet(job.getModelId(), job.getAnchorId(), job.getJobId()));
  }

  /**
   * The anchor's sums.
   *
   * @throws FisherUnavailableException when they cannot be had for a long time
   */
  FisherSums sums() {
    return await(() -> fisher.sums(job.getModelId(), job.getAnchorId()));
  }

  private <T> T await(Supplier<T> source) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (true) {
      try {
        return source.get();
      } catch (FisherUnavailableException | ForgetSetUnavailableException e) {
        boolean obsolete = e instanceof ForgetSetUnavailableException gone && gone.isObsolete();
        if (obsolete || System.nanoTime() > deadline) {
          throw e;
        }
        progress.at(JobStage.LOAD, 0, 1); // throws when the worker stops
        pause();
      }
    }
  }

  private static void pause() {
    try {
      Thread.sleep(RETRY.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while waiting for the stores");
    }
  }

  /** Positions of those samples that the dataset has: the source deletes what was erased. */
  static int[] present(SampleDataset dataset, List<String> sampleIds) {
    return sampleIds.stream()
        .map(dataset::indexOf)
        .filter(OptionalInt::isPresent)
        .mapToInt(OptionalInt::getAsInt)
        .toArray();
  }
}
