package io.lethe.intake;

import io.lethe.events.Regulation;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;

/**
 * By when a request must be done where it does not say so itself, and how far that can be put off.
 *
 * <p>GDPR Art. 12(3): one month from receipt, which can be extended by two further months when the
 * data subject is told within the first. CCPA § 1798.130(a)(2): 45 calendar days, once more 45 when
 * the consumer is told within the first. Anything else is held to 30 days, and once more 30.
 */
final class DueDates {
  private static final Duration CCPA = Duration.ofDays(45);
  private static final Duration OTHER = Duration.ofDays(30);
  private static final int GDPR_MONTHS = 1;
  private static final int GDPR_EXTENDED_MONTHS = 3;

  private DueDates() {}

  /** When the first period ends: by then an extension must have been asked for. */
  static Instant dueAt(Regulation regulation, Instant receivedAt) {
    return switch (regulation) {
      case GDPR -> plusMonths(receivedAt, GDPR_MONTHS);
      case CCPA -> receivedAt.plus(CCPA);
      case OTHER -> receivedAt.plus(OTHER);
    };
  }

  /** The latest due date that an extension can give. */
  static Instant limit(Regulation regulation, Instant receivedAt) {
    return switch (regulation) {
      case GDPR -> plusMonths(receivedAt, GDPR_EXTENDED_MONTHS);
      case CCPA -> receivedAt.plus(CCPA.multipliedBy(2));
      case OTHER -> receivedAt.plus(OTHER.multipliedBy(2));
    };
  }

  private static Instant plusMonths(Instant time, int months) {
    return time.atZone(ZoneOffset.UTC).plusMonths(months).toInstant();
  }
}
