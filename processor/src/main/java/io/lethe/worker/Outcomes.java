package io.lethe.worker;

import io.lethe.events.JobOutcome;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import java.time.Clock;

/** Begins the outcome of a job. */
final class Outcomes {
  private final String workerId;
  private final Clock clock;

  Outcomes(String workerId, Clock clock) {
    this.workerId = workerId;
    this.clock = clock;
  }

  JobOutcome.Builder of(UnlearningJob job, Verdict verdict) {
    return JobOutcome.newBuilder()
        .setJobId(job.getJobId())
        .setKind(job.getKind())
        .setModelId(job.getModelId())
        .setAttempt(job.getAttempt())
        .setVerdict(verdict)
        .setWorker(workerId)
        .setFinishedAt(clock.instant());
  }
}
