package io.lethe.heldout;

/** A job's forget set cannot be had now; asking again may help. */
public final class ForgetSetUnavailableException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public ForgetSetUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
