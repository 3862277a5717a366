package io.lethe.batching;

/** An outcome that cannot be taken; it goes to the dead letters with this message. */
final class InvalidOutcomeException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  InvalidOutcomeException(String message) {
    super(message);
  }
}
