package io.lethe.worker;

import io.lethe.events.FisherUpdateKind;
import io.lethe.events.JobOutcome;
import io.lethe.fisher.FisherDiagonal;
import java.util.Optional;

/**
 * What a job leaves: its outcome and, where the verdict is RELEASE, the Fisher update that follows
 * it.
 */
record JobResult(JobOutcome outcome, Optional<Update> update) {
  /** A Fisher update to be sent. */
  record Update(FisherUpdateKind kind, FisherDiagonal sums) {}
}
