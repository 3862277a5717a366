package io.lethe.intake;

import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.bind.annotation.Bindable;
import java.time.Duration;

/**
 * What intake is configured by.
 *
 * @param grace how long a request whose data no model holds waits for lineage or a model before it
 *     is denied as {@code no_match}; not negative, default 1 hour
 * @param tick how often waiting requests are looked at; positive, default 1 second
 */
@ConfigurationProperties("lethe.intake")
public record IntakeSettings(
    @Bindable(defaultValue = "1h") Duration grace, @Bindable(defaultValue = "1s") Duration tick) {
  public static final IntakeSettings DEFAULTS =
      new IntakeSettings(Duration.ofHours(1), Duration.ofSeconds(1));

  public IntakeSettings {
    if (grace.isNegative()) {
      throw new IllegalArgumentException("lethe.intake.grace must not be negative: " + grace);
    }
    if (tick.isNegative() || tick.isZero()) {
      throw new IllegalArgumentException("lethe.intake.tick must be positive: " + tick);
    }
  }
}
