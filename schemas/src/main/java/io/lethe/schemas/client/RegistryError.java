package io.lethe.schemas.client;

/** The errors that Confluent documents for its Schema Registry, by {@code error_code}. */
public enum RegistryError {
  SUBJECT_NOT_FOUND(40401, "subject not found"),
  VERSION_NOT_FOUND(40402, "version not found"),
  SCHEMA_NOT_FOUND(40403, "schema not found"),
  SUBJECT_SOFT_DELETED(40404, "subject is soft-deleted"),
  SUBJECT_NOT_SOFT_DELETED(40405, "subject must be soft-deleted first"),
  VERSION_SOFT_DELETED(40406, "version is soft-deleted"),
  VERSION_NOT_SOFT_DELETED(40407, "version must be soft-deleted first"),
  COMPATIBILITY_NOT_CONFIGURED(40408, "subject has no compatibility level of its own"),
  MODE_NOT_CONFIGURED(40409, "subject has no mode of its own"),
  INCOMPATIBLE_SCHEMA(40901, "schema is incompatible with an earlier one"),
  INVALID_SCHEMA(42201, "invalid schema"),
  INVALID_VERSION(42202, "invalid version"),
  INVALID_COMPATIBILITY_LEVEL(42203, "invalid compatibility level"),
  INVALID_MODE(42204, "invalid mode"),
  OPERATION_NOT_PERMITTED(42205, "operation not permitted in this mode"),
  REFERENCE_EXISTS(42206, "schema is referenced by others"),
  ID_DOES_NOT_MATCH(42207, "id belongs to another schema"),
  INVALID_SUBJECT(42208, "invalid subject"),
  SCHEMA_TOO_LARGE(42209, "schema is too large"),
  INVALID_RULES(42210, "invalid rule set"),
  CONTEXT_NOT_EMPTY(42211, "context is not empty"),
  STORE(50001, "the registry's store failed"),
  TIMEOUT(50002, "the registry's operation timed out"),
  FORWARDING(50003, "forwarding to the registry's leader failed"),
  UNKNOWN_LEADER(50004, "the registry's leader is unknown"),
  BAD_REQUEST(400, "bad request"),
  UNAUTHORIZED(401, "not authenticated"),
  FORBIDDEN(403, "not authorised"),
  NOT_FOUND(404, "not found"),
  UNSUPPORTED_MEDIA(415, "unsupported media type"),
  TOO_MANY_REQUESTS(429, "too many requests"),
  UNPROCESSABLE(422, "not processable"),
  SERVER(500, "server error"),
  OTHER(0, "unexpected answer");

  private final int code;
  private final String description;

  RegistryError(int code, String description) {
    this.code = code;
    this.description = description;
  }

  public int code() {
    return code;
  }

  public String description() {
    return description;
  }

  /**
   * The documented error of an answer. The status decides the family, since registries differ in
   * the code: Confluent says 40901 (older releases 409) and Apicurio 409 for an incompatible
   * schema.
   */
  public static RegistryError of(int status, int errorCode) {
    if (status == 409) {
      return INCOMPATIBLE_SCHEMA;
    }
    for (RegistryError error : values()) {
      if (error.code == errorCode && errorCode / 100 == status) {
        return error;
      }
    }
    if (status >= 500) {
      return SERVER;
    }
    for (RegistryError error : values()) {
      if (error.code == status) {
        return error;
      }
    }
    return OTHER;
  }
}
