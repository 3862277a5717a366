package io.lethe.tracking;

import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.bind.annotation.Bindable;
import java.time.Duration;

/**
 * What tracking is configured by.
 *
 * @param tick how often due dates are looked at; positive, default 1 second
 * @param atRisk how long before its due date a request that is not done is signalled; not negative,
 *     default 5 days. Batches fire before that on their own, see {@code lethe.batching.max-lead}.
 * @param retention how long a request is known after its end: for so long its status can be asked
 *     for, and a second record with its id is recognised as a duplicate or denied. The receipt
 *     stays. Positive, default 400 days; a change concerns requests that end after it, and those
 *     that have ended and whose due date is still ahead.
 * @param commandPatience how long a command is kept whose request has not arrived, before it is a
 *     dead letter; not negative, default 10 minutes
 */
@ConfigurationProperties("lethe.tracking")
public record TrackingSettings(
    @Bindable(defaultValue = "1s") Duration tick,
    @Bindable(defaultValue = "5d") Duration atRisk,
    @Bindable(defaultValue = "400d") Duration retention,
    @Bindable(defaultValue = "10m") Duration commandPatience) {
  public static final TrackingSettings DEFAULTS =
      new TrackingSettings(
          Duration.ofSeconds(1), Duration.ofDays(5), Duration.ofDays(400), Duration.ofMinutes(10));

  public TrackingSettings {
    if (tick.isNegative() || tick.isZero()) {
      throw new IllegalArgumentException("lethe.tracking.tick must be positive: " + tick);
    }
    if (atRisk.isNegative()) {
      throw new IllegalArgumentException("lethe.tracking.at-risk must not be negative: " + atRisk);
    }
    if (retention.isNegative() || retention.isZero()) {
      throw new IllegalArgumentException("lethe.tracking.retention must be positive: " + retention);
    }
    if (commandPatience.isNegative()) {
      throw new IllegalArgumentException(
          "lethe.tracking.command-patience must not be negative: " + commandPatience);
    }
  }
}
