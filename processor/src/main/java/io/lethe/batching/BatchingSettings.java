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
 * @param jobTimeout time after an offer after which a job that no worker gave a sign of life on
 *     counts as lost and is offered again, as often as the policy allows attempts; positive,
 *     default 24 hours, so longer than any job waits for a worker
 * @param silence time without a sign of life after which a job that a worker had begun counts as
 *     lost; positive, default 10 minutes. Workers give one every few seconds, and one that dies is
 *     replaced by the share group sooner.
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
    @Bindable(defaultValue = "10m") Duration silence,
    @Bindable(defaultValue = "100000") int maxSamplesPerJob,
    @Bindable(defaultValue = "1h") Duration minLead,
    @Bindable(defaultValue = "7d") Duration maxLead) {
  public static final BatchingSettings DEFAULTS =
      new BatchingSettings(
          Duration.ofSeconds(1),
          Duration.ofSeconds(5),
          Duration.ofHours(24),
          Duration.ofMinutes(10),
          100_000,
          Duration.ofHours(1),
          Duration.ofDays(7));

  public BatchingSettings {
    requirePositive("tick", tick);
    requirePositive("retry-backoff", retryBackoff);
    requirePositive("job-timeout", jobTimeout);
    requirePositive("silence", silence);
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
