package io.lethe.heldout;

/** A job's forget set cannot be had; asking again may help unless the job is obsolete. */
public final class ForgetSetUnavailableException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final boolean obsolete;

  public ForgetSetUnavailableException(String message, Throwable cause) {
    super(message, cause);
    this.obsolete = false;
  }

  private ForgetSetUnavailableException(String message) {
    super(message);
    this.obsolete = true;
  }

  /** Of a job that is not in flight: nobody waits for its outcome. */
  public static ForgetSetUnavailableException obsolete() {
    return new ForgetSetUnavailableException("the job is no longer in flight");
  }

  public boolean isObsolete() {
    return obsolete;
  }
}
