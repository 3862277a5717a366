package io.lethe.batching;

import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.bind.annotation.Bindable;
import java.time.Duration;

/**
 * What batching is configured by, for all models; what differs by model is its policy.
 *
 * @param tick how often ages and time-outs are looked at; positive, default 1 second
 * @param retryBackoff wait before a failed job is offered again, doubled with each attempt;
 *     positive, default 5 seconds
 * @param jobTimeout time after an offer without an outcome after which a job counts as lost and is
 *     offered again, as often as the policy allows attempts; positive, default 24 hours, so longer
 *     than any job takes and waits. A worker that dies is replaced by the share group much sooner.
 * @param maxSamplesPerJob samples that one job takes at most, so that its record stays below the
 *     largest that a topic takes; positive, default 100,000
 * @param minLead least time before the nearest due date at which a batch fires; not negative,
 *     default 1 hour. What is between the two bounds is learned from each model's jobs.
 * @param maxLead most time before the nearest due date at which a batch fires, and that of a model
 *     without past jobs; not below {@code minLead}, default 7 days
 */
@ConfigurationProperties("lethe.batching")
public record BatchingSettings(
    @Bindable(defaultValue = "1s") Duration tick,
    @Bindable(defaultValue = "5s") Duration retryBackoff,
    @Bindable(defaultValue = "24h") Duration jobTimeout,
    @Bindable(defaultValue = "100000") int maxSamplesPerJob,
    @Bindable(defaultValue = "1h") Duration minLead,
    @Bindable(defaultValue = "7d") Duration maxLead) {
  public static final BatchingSettings DEFAULTS =
      new BatchingSettings(
          Duration.ofSeconds(1),
          Duration.ofSeconds(5),
          Duration.ofHours(24),
          100_000,
          Duration.ofHours(1),
          Duration.ofDays(7));

  public BatchingSettings {
    requirePositive("tick", tick);
    requirePositive("retry-backoff", retryBackoff);
    requirePositive("job-timeout", jobTimeout);
    if (maxSamplesPerJob < 1) {
      throw new IllegalArgumentException(
          "lethe.batching.max-samples-per-job must be positive: " + maxSamplesPerJob);
    }
    if (minLead.isNegative() || maxLead.compareTo(minLead) < 0) {
      throw new IllegalArgumentException(
          "lethe.batching.min-lead must not be negative, nor above lethe.batching.max-lead: "
              + minLead
              + ", "
              + maxLead);
    }
  }

  private static void requirePositive(String name, Duration value) {
    if (value.isNegative() || value.isZero()) {
      throw new IllegalArgumentException("lethe.batching." + name + " must be positive: " + value);
    }
  }
}
