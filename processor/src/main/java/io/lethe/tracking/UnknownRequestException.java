package io.lethe.tracking;

/** A command on a request that nobody knows; it goes to the dead letters with this message. */
public final class UnknownRequestException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  UnknownRequestException() {
    super("a command names a request that is not known");
  }
}
