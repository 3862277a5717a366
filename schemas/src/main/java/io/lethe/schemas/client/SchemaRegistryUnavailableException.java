package io.lethe.schemas.client;

/**
 * No registry gave a usable answer: unreachable, overloaded (429) or failing (5xx), after all
 * retries. The record in hand is not at fault: try again later, never skip it.
 */
public final class SchemaRegistryUnavailableException extends SchemaRegistryException {
  private static final long serialVersionUID = 1L;

  public SchemaRegistryUnavailableException(
      String message, int status, int errorCode, Throwable cause) {
    super(message, status, errorCode, cause);
  }
}
