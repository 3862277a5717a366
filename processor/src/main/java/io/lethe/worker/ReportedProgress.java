package io.lethe.worker;

import io.lethe.events.JobStage;
import io.lethe.events.UnlearningJob;
import io.lethe.unlearning.Progress;
import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;

/** Reports a job's progress a few times a second at most, and ends the job when it is cancelled. */
final class ReportedProgress implements Progress {
  private static final long INTERVAL_NANOS = Duration.ofMillis(500).toNanos();
  private static final double NANOS = 1e9;

  private final UnlearningJob job;
  private final JobReporter reporter;
  private final BooleanSupplier cancelled;
  private final LongSupplier nanoTime;
  private JobStage stage;
  private long stageStart;
  private long reportedAt;
  private double fraction;

  ReportedProgress(
      UnlearningJob job, JobReporter reporter, BooleanSupplier cancelled, LongSupplier nanoTime) {
    this.job = job;
    this.reporter = reporter;
    this.cancelled = cancelled;
    this.nanoTime = nanoTime;
  }

  @Override
  public synchronized void at(JobStage current, long done, long total) {
    if (cancelled.getAsBoolean()) {
      throw new CancellationException("the worker is stopping");
    }
    long now = nanoTime.getAsLong();
    boolean changed = current != stage;
    if (changed) {
      stage = current;
      stageStart = now;
    }
    if (!changed && now - reportedAt < INTERVAL_NANOS) {
      return;
    }
    reportedAt = now;
    double seconds = (now - stageStart) / NANOS;
    Double rate = done > 0 && seconds > 0 ? done / seconds : null;
    fraction = total == 0 ? 0 : (double) done / total;
    reporter.progress(job, current, fraction, rate);
  }

  /** Says again where the job is: a step may be long, and silence counts as death. */
  synchronized void alive() {
    if (stage != null) {
      reporter.progress(job, stage, fraction, null);
    }
  }
}
