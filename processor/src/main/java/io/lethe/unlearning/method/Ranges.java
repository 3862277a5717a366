package io.lethe.unlearning.method;

/** Checks of hyperparameters; each message names the parameter and its range. */
final class Ranges {
  private Ranges() {}

  static void atLeast(String name, int value, int least) {
    require(value >= least, "%s must be at least %d, not %d", name, least, value);
  }

  static void positive(String name, double value) {
    require(value > 0 && Double.isFinite(value), "%s must be positive, not %s", name, value);
  }

  static void notNegative(String name, double value) {
    require(value >= 0 && Double.isFinite(value), "%s must not be negative, not %s", name, value);
  }

  /** Within both bounds, which count. */
  static void within(String name, double value, double least, double most) {
    require(
        value >= least && value <= most,
        "%s must be from %s to %s, not %s",
        name,
        least,
        most,
        value);
  }

  /** Between the bounds, which do not count. */
  static void between(String name, double value, double least, double most) {
    require(
        value > least && value < most,
        "%s must be between %s and %s, not %s",
        name,
        least,
        most,
        value);
  }

  static void require(boolean holds, String message, Object... arguments) {
    if (!holds) {
      throw new IllegalArgumentException(message.formatted(arguments));
    }
  }
}
