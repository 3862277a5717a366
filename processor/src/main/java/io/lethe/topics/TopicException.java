package io.lethe.topics;

/** The topics are not as the program needs them; the message is one line for the operator. */
public final class TopicException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public TopicException(String message, Throwable cause) {
    super(message, cause);
  }
}
