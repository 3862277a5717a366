package io.lethe.intake;

import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.annotation.Nullable;
import io.micronaut.core.bind.annotation.Bindable;
import java.time.Duration;

/**
 * What intake is configured by.
 *
 * @param grace how long a request whose data no model holds waits for lineage or a model before it
 *     is denied as {@code no_match}; not negative, default 1 hour
 * @param tick how often waiting requests are looked at; positive, default 1 second
 * @param walkStep earlier requests that are looked at for newly registered models, all of them at
 *     once, with a registration and at each tick until all have been; one that several models must
 *     forget counts for as many; at least 1, default 5,000
 * @param erasureRetention how long an accepted request binds lineage and models that arrive later;
 *     positive, default none: a subject stays erased for ever
 */
@ConfigurationProperties("lethe.intake")
public record IntakeSettings(
    @Bindable(defaultValue = "1h") Duration grace,
    @Bindable(defaultValue = "1s") Duration tick,
    @Bindable(defaultValue = "5000") int walkStep,
    @Nullable Duration erasureRetention) {
  public static final IntakeSettings DEFAULTS =
      new IntakeSettings(Duration.ofHours(1), Duration.ofSeconds(1), 5_000, null);

  public IntakeSettings {
    if (grace.isNegative()) {
      throw new IllegalArgumentException("lethe.intake.grace must not be negative: " + grace);
    }
    if (tick.isNegative() || tick.isZero()) {
      throw new IllegalArgumentException("lethe.intake.tick must be positive: " + tick);
    }
    if (walkStep < 1) {
      throw new IllegalArgumentException("lethe.intake.walk-step must be at least 1: " + walkStep);
    }
    if (erasureRetention != null && (erasureRetention.isNegative() || erasureRetention.isZero())) {
      throw new IllegalArgumentException(
          "lethe.intake.erasure-retention must be positive: " + erasureRetention);
    }
  }
}
