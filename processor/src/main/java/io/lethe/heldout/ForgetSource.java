package io.lethe.heldout;

import io.lethe.state.ForgetSet;
import java.util.UUID;

/** Where a worker gets what a job's record has no room for. */
@FunctionalInterface
public interface ForgetSource {
  /**
   * What was erased before, and the held-out targets of what the job is to forget.
   *
   * @throws ForgetSetUnavailableException when it cannot be had now, e.g. while stores move, or no
   *     longer, as the job is not in flight
   */
  ForgetSet forgetSet(String modelId, String anchorId, UUID jobId);
}
