package io.lethe.attestation;

/**
 * One thing that a verification looked at.
 *
 * @param level what came out
 * @param where the record, e.g. {@code version digits@3} or {@code receipt 6f1e…}
 * @param message what was found, one line
 */
public record Finding(Level level, String where, String message) {

  /** What a check came to. */
  public enum Level {
    /** Checked and in order. */
    OK,
    /** Could not be checked here, or is worth knowing; nothing is wrong. */
    NOTE,
    /** Checked and wrong. */
    WRONG
  }

  static Finding ok(String where, String message) {
    return new Finding(Level.OK, where, message);
  }

  static Finding note(String where, String message) {
    return new Finding(Level.NOTE, where, message);
  }

  static Finding wrong(String where, String message) {
    return new Finding(Level.WRONG, where, message);
  }

  @Override
  public String toString() {
    return switch (level) {
          case OK -> "ok     ";
          case NOTE -> "note   ";
          case WRONG -> "WRONG  ";
        }
        + where
        + ": "
        + message;
  }
}
