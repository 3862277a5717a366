package io.lethe.worker;

import io.lethe.events.FisherUpdateKind;
import io.lethe.events.JobOutcome;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.heldout.HeldOutRows;
import java.util.Optional;

/**
 * What a job leaves: its outcome and, where the verdict is RELEASE, the updates that follow it.
 *
 * @param update of the Fisher sums
 * @param targets held-out targets of a new anchor
 * @param reported is run once the broker has all of it: deletes what a job that is run again would
 *     not have to make a second time
 */
record JobResult(
    JobOutcome outcome, Optional<Update> update, Optional<HeldOutRows> targets, Runnable reported) {
  /** With nothing to delete. */
  JobResult(JobOutcome outcome, Optional<Update> update, Optional<HeldOutRows> targets) {
    this(outcome, update, targets, () -> {});
  }

  /** Without an update. */
  JobResult(JobOutcome outcome) {
    this(outcome, Optional.empty(), Optional.empty());
  }

  /** Without held-out targets. */
  JobResult(JobOutcome outcome, Optional<Update> update) {
    this(outcome, update, Optional.empty());
  }

  /** A Fisher update to be sent. */
  record Update(FisherUpdateKind kind, FisherDiagonal sums) {}
}
