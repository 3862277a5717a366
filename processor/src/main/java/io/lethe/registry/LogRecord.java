package io.lethe.registry;

import io.lethe.schemas.client.CompatibilityLevel;
import java.util.List;

/** What a record of topic {@code _schemas} says. Subject null: for all subjects. */
sealed interface LogRecord {

  /** A version of a subject exists; {@code deleted} softly or not. */
  record Version(
      String subject,
      int version,
      int id,
      String schema,
      List<Reference> references,
      boolean deleted)
      implements LogRecord {

    Definition definition() {
      return new Definition(schema, references);
    }

    boolean refersTo(String otherSubject, int otherVersion) {
      return references.stream()
          .anyMatch(r -> r.subject().equals(otherSubject) && r.version() == otherVersion);
    }

    Version softlyDeleted() {
      return new Version(subject, version, id, schema, references, true);
    }
  }

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
