package io.lethe.attestation;

/**
 * A key or a document that cannot be used at all; the message is one line that says which and why.
 */
public final class AttestationException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  AttestationException(String message) {
    super(message);
  }

  AttestationException(String message, Throwable cause) {
    super(message, cause);
  }
}
