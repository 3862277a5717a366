package io.lethe.fisher;

/** The Fisher sums cannot be had now; asking again later may help. */
public final class FisherUnavailableException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public FisherUnavailableException(String message, Throwable cause) {
    super(message, cause);
  }
}
