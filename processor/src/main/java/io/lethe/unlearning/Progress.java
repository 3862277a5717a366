package io.lethe.unlearning;

import io.lethe.events.JobStage;

/** Told how far a job is. What it throws ends the job: that is how a job is cancelled. */
@FunctionalInterface
public interface Progress {
  /** Listens to nothing. */
  Progress NONE = (stage, done, total) -> {};

  /**
   * @param done units of the stage that are done: samples, or minibatches of a repair
   * @param total units of the whole stage
   */
  void at(JobStage stage, long done, long total);
}
