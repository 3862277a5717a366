package io.lethe.artifact;

import java.io.IOException;

/** An artifact that cannot be stored or used; the message is one line that names it. */
public final class ArtifactException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What is wrong. */
  public enum Reason {
    /** There is no such artifact. */
    MISSING,
    /** Its content is not what was put. */
    CORRUPT,
    /** The storage failed, or refused access; may pass. */
    STORAGE,
    /** The location or digest makes no sense to this program. */
    UNUSABLE
  }

  private final Reason reason;

  ArtifactException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  ArtifactException(String message, IOException cause) {
    super(
        message + " (" + cause.getClass().getSimpleName() + ": " + cause.getMessage() + ")", cause);
    this.reason = Reason.STORAGE;
  }

  /** What is wrong, for callers that go on differently. */
  public Reason reason() {
    return reason;
  }
}
