package io.lethe.worker;

import io.lethe.artifact.Artifact;
import io.lethe.events.JobOutcome;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Begins the outcome of a job. */
final class Outcomes {
  /** Of the ids in an outcome, whose record takes 16 MiB. */
  static final long MAX_ID_BYTES = 12L << 20;

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

  /**
   * Why a model is held again that a person has released: they have seen the figures of another
   * one. The number of threads suffices to make another of the same job.
   */
  static Optional<String> objection(UnlearningJob job, Artifact artifact) {
    return job.getHeldSha256()
        .filter(held -> !held.equals(artifact.sha256()))
        .map(held -> "the job made another model than the one that was released: see its figures");
  }

  /** The first of some ids, as many as an outcome can name. */
  static List<String> fitting(List<String> ids, long maxBytes) {
    List<String> first = new ArrayList<>();
    long bytes = 0;
    for (String id : ids) {
      bytes += bytes(id);
      if (bytes > maxBytes) {
        break;
      }
      first.add(id);
    }
    return first;
  }

  /** What an id takes in a record, or a little less. */
  static long bytes(String id) {
    return id.getBytes(StandardCharsets.UTF_8).length + 2L;
  }
}
