package io.lethe.schemas.client;

import java.util.Optional;
import org.apache.kafka.common.KafkaException;

/**
 * The registry answered with an error. {@link #status()} is the HTTP status, which all registries
 * agree on; {@link #error()} is Confluent's finer code where the registry sent a documented one.
 */
public class SchemaRegistryException extends KafkaException {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final int errorCode;

  /**
   * @param status HTTP status, 0 where there was no answer
   * @param errorCode the {@code error_code} of the answer's body, 0 where there was none
   */
  public SchemaRegistryException(String message, int status, int errorCode, Throwable cause) {
    super(message, cause);
    this.status = status;
    this.errorCode = errorCode;
  }

  public int status() {
    return status;
  }

  public int errorCode() {
    return errorCode;
  }

  public RegistryError error() {
    return RegistryError.of(status, errorCode);
  }

  /**
   * What the registry, rather than a record, has to do with an error. That it answers, and knows no
   * schema of the record's id, is the record's fault: waiting would help nobody.
   */
  public static Optional<SchemaRegistryException> outage(Throwable error) {
    for (Throwable cause = error; cause != null; cause = cause.getCause()) {
      if (cause instanceof SchemaRegistryException registry) {
        return registry.error() == RegistryError.SCHEMA_NOT_FOUND
            ? Optional.empty()
            : Optional.of(registry);
      }
    }
    return Optional.empty();
  }
}
