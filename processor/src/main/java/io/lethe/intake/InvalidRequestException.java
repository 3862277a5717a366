package io.lethe.intake;

/** A record that breaks a rule of intake; it goes to the dead letters with this message. */
final class InvalidRequestException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  InvalidRequestException(String message) {
    super(message);
  }
}
