package io.lethe.worker;

import io.lethe.artifact.ArtifactException;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.dataset.DatasetException;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherSource;
import io.lethe.fisher.FisherUnavailableException;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.ForgetSource;
import io.lethe.model.Devices;
import io.lethe.model.ModelException;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningPipeline;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.Function;
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

  private final WorkerSettings settings;
  private final ArtifactStore artifacts;
  private final FisherSource fisher;
  private final ForgetSource forget;
  private final SubjectSource subjects;
  private final Outcomes outcomes;
  private final UnlearningPipeline pipeline = new UnlearningPipeline();

  /**
   * @throws ModelException when there is no such device as the settings say
   */
  JobRunner(
      WorkerSettings settings,
      FisherSource fisher,
      ForgetSource forget,
      SubjectSource subjects,
      Clock clock) {
    this.settings = settings;
    if (!settings.device().equals(Devices.AUTO)) { // which the first model finds; start is faster
      Devices.select(settings.device());
    }
    this.artifacts = ArtifactStores.open(ArtifactStores.location(settings.artifacts()));
    this.fisher = fisher;
    this.forget = forget;
    this.subjects = subjects;
    this.outcomes = new Outcomes(settings.id(), clock);
  }

  /**
   * Runs a job to its end.
   *
   * @throws CancellationException when {@code progress} threw it
   */
  JobResult run(UnlearningJob job, Progress progress) {
    JobInputs inputs = new JobInputs(job, artifacts, fisher, forget, subjects, progress);
    try {
      return switch (job.getKind()) {
        case ANCHOR -> new AnchorRun(inputs, outcomes, settings.scratch()).run(pipeline);
        case UNLEARN ->
            withOutput(job, output -> new UnlearnRun(inputs, outcomes).run(pipeline, output));
        case RETRAIN -> withOutput(job, output -> new RetrainRun(inputs, outcomes).run(output));
      };
    } catch (CancellationException e) {
      throw e;
    } catch (ArtifactException e) {
      return failed(job, e, e.reason() == ArtifactException.Reason.STORAGE);
    } catch (FisherUnavailableException | ForgetSetUnavailableException e) {
      return failed(job, e, true);
    } catch (DatasetException e) {
      // Its message may name a file, and a file may be a sample.
      return failed(
          job,
          new UnlearningException(
              "a dataset of the job cannot be read; ./lethe evaluate on it says what and where"),
          false);
    } catch (UnknownSamplesException e) {
      JobOutcome failure =
          JobOutcome.newBuilder(failed(job, e, false).outcome())
              .setUnknownSampleIds(Outcomes.fitting(e.sampleIds(), Outcomes.MAX_ID_BYTES))
              .build();
      return new JobResult(failure);
    } catch (ModelException | UnlearningException e) {
      return failed(job, e, false);
    } catch (RuntimeException e) {
      log.error("job failed unexpectedly jobId={} modelId={}", job.getJobId(), job.getModelId(), e);
      return failed(job, new IllegalStateException(e.getClass().getName()), true);
    }
  }

  /** Runs work that writes a model, and deletes what it wrote: the store has a copy by then. */
  private JobResult withOutput(UnlearningJob job, Function<Path, JobResult> work) {
    String extension = job.getFormat() == ModelFormat.TORCHSCRIPT ? ".pt" : ".params";
    Path output = settings.scratch().resolve(job.getJobId() + extension);
    try {
      return work.apply(output);
    } finally {
      delete(output);
    }
  }

  private JobResult failed(UnlearningJob job, RuntimeException reason, boolean retryable) {
    log.warn(
        "job failed jobId={} modelId={} retryable={} reason={}",
        job.getJobId(),
        job.getModelId(),
        retryable,
        reason.getMessage());
    return new JobResult(
        outcomes
            .of(job, Verdict.FAILED)
            .setError(reason.getMessage())
            .setRetryable(retryable)
            .build(),
        Optional.empty(),
        Optional.empty(),
        () -> {
          if (job.getKind() == JobKind.ANCHOR && (!retryable || isObsolete(reason))) {
            TargetsRun.discard(artifacts, job);
          }
        });
  }

  private static boolean isObsolete(RuntimeException reason) {
    return reason instanceof ForgetSetUnavailableException gone && gone.isObsolete();
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
