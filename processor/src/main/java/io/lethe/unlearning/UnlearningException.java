package io.lethe.unlearning;

/** A job that cannot be done as asked. One line, without any sample's id or value. */
public final class UnlearningException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public UnlearningException(String message) {
    super(message);
  }
}
