package io.lethe.batching;

/** A record that breaks a rule of batching; it goes to the dead letters with this message. */
final class InvalidModelException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  InvalidModelException(String message) {
    super(message);
  }
}
