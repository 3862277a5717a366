package io.lethe.worker;

import io.lethe.events.FisherEncoding;
import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.bind.annotation.Bindable;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;

/**
 * What a worker is configured by.
 *
 * @param id name of this worker in progress and outcomes; not empty
 * @param groupId the share group; all workers of a deployment have the same
 * @param artifacts where new models are put, a path or a URI
 * @param scratch folder for files of running jobs; emptied at start
 * @param lock how long a job stays this worker's without a sign of life; positive, default 30 s. A
 *     job of a worker that died is offered to another after this time.
 * @param streamUrl API of any stream instance, where Fisher sums are read by a worker that runs in
 *     a process of its own
 * @param fisherEncoding how sums travel and an anchor's snapshot is stored: {@code FLOAT32}, exact
 *     (the default), or {@code BFLOAT16_ZSTD}, off by at most 0.4 % in under a third of the space
 * @param device where models compute, as {@code --device} says: {@code auto} (the default; a GPU
 *     where PyTorch sees one), {@code cpu}, or {@code gpu:N}. One that is not there stops the
 *     start.
 */
@ConfigurationProperties("lethe.worker")
public record WorkerSettings(
    String id,
    String groupId,
    String artifacts,
    Path scratch,
    @Bindable(defaultValue = "30s") Duration lock,
    URI streamUrl,
    @Bindable(defaultValue = "FLOAT32") FisherEncoding fisherEncoding,
    @Bindable(defaultValue = "auto") String device) {
  public WorkerSettings {
    if (id == null || id.isBlank()) {
      throw new IllegalArgumentException("lethe.worker.id must not be empty");
    }
    if (groupId == null || groupId.isBlank()) {
      throw new IllegalArgumentException("lethe.worker.group-id must not be empty");
    }
    if (lock.isNegative() || lock.isZero()) {
      throw new IllegalArgumentException("lethe.worker.lock must be positive: " + lock);
    }
  }

  /** How often a running job is renewed: three times within its lock. */
  Duration renewal() {
    return lock.dividedBy(3);
  }
}
