package io.lethe.registry;

import io.lethe.schemas.client.CompatibilityLevel;

/** What a record of topic {@code _schemas} says. Subject null: for all subjects. */
sealed interface LogRecord {

  /** A version of a subject exists; {@code deleted} softly or not. */
  record Version(String subject, int version, int id, String schema, boolean deleted)
      implements LogRecord {}

  /** A version is gone for good. */
  record VersionRemoved(String subject, int version) implements LogRecord {}

  /** All versions up to this one are softly deleted. */
  record SubjectDeleted(String subject, int upToVersion) implements LogRecord {}

  /**
   * @param level null: as all subjects
   */
  record Compatibility(String subject, CompatibilityLevel level) implements LogRecord {}

  /**
   * @param mode null: as all subjects
   */
  record ModeChanged(String subject, Mode mode) implements LogRecord {}
}
