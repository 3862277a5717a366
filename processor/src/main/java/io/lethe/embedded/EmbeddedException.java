package io.lethe.embedded;

/**
 * The embedded stack cannot start. The message is one line for the user: what, where, and what to
 * do where that is known.
 */
public final class EmbeddedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public EmbeddedException(String message) {
    super(message);
  }

  public EmbeddedException(String message, Throwable cause) {
    super(message, cause);
  }
}
