package io.lethe.registry;

import io.lethe.schemas.client.RegistryError;

/** A request that the registry answers with an error. */
final class RegistryRefusal extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final RegistryError error;

  RegistryRefusal(RegistryError error, String message) {
    super(message);
    this.error = error;
  }

  RegistryRefusal(RegistryError error, String message, Throwable cause) {
    super(message, cause);
    this.error = error;
  }

  /** Confluent's code; its first three digits are the HTTP status. */
  int code() {
    return error.code();
  }

  int status() {
    return error.code() < 1000 ? error.code() : error.code() / 100;
  }
}
