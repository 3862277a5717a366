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
 */
@ConfigurationProperties("lethe.tracking")
public record TrackingSettings(
    @Bindable(defaultValue = "1s") Duration tick, @Bindable(defaultValue = "5d") Duration atRisk) {
  public static final TrackingSettings DEFAULTS =
      new TrackingSettings(Duration.ofSeconds(1), Duration.ofDays(5));

  public TrackingSettings {
    if (tick.isNegative() || tick.isZero()) {
      throw new IllegalArgumentException("lethe.tracking.tick must be positive: " + tick);
    }
    if (atRisk.isNegative()) {
      throw new IllegalArgumentException("lethe.tracking.at-risk must not be negative: " + atRisk);
    }
  }
}
