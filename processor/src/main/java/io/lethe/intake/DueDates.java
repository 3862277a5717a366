package io.lethe.intake;

import io.lethe.events.Regulation;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;

/**
 * By when a request must be done where it does not say so itself.
 *
 * <p>GDPR Art. 12(3): one month from receipt. CCPA § 1798.130(a)(2): 45 calendar days. Anything
 * else is held to 30 days.
 */
final class DueDates {
  private static final Duration CCPA = Duration.ofDays(45);
  private static final Duration OTHER = Duration.ofDays(30);

  private DueDates() {}

  static Instant dueAt(Regulation regulation, Instant receivedAt) {
    return switch (regulation) {
      case GDPR -> receivedAt.atZone(ZoneOffset.UTC).plusMonths(1).toInstant();
      case CCPA -> receivedAt.plus(CCPA);
      case OTHER -> receivedAt.plus(OTHER);
    };
  }
}
