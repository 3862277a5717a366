package io.lethe.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.schemas.client.CompatibilityLevel;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Confluent's JSON layout of {@code _schemas}. The order of a key's fields matters: compaction
 * compares bytes.
 */
final class LogCodec {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int SCHEMA_MAGIC = 1;
  private static final int OTHER_MAGIC = 0;

  private LogCodec() {}

  static byte[] key(LogRecord record) {
    ObjectNode key = JSON.createObjectNode();
    if (record instanceof LogRecord.Version r) {
      schemaKey(key, r.subject(), r.version());
    } else if (record instanceof LogRecord.VersionRemoved r) {
      schemaKey(key, r.subject(), r.version());
    } else if (record instanceof LogRecord.SubjectDeleted r) {
      key.put("keytype", "DELETE_SUBJECT").put("subject", r.subject()).put("magic", OTHER_MAGIC);
    } else if (record instanceof LogRecord.Compatibility r) {
      key.put("keytype", "CONFIG").put("subject", r.subject()).put("magic", OTHER_MAGIC);
    } else if (record instanceof LogRecord.ModeChanged r) {
      key.put("keytype", "MODE").put("subject", r.subject()).put("magic", OTHER_MAGIC);
    }
    return bytes(key);
  }

  private static void schemaKey(ObjectNode key, String subject, int version) {
    key.put("keytype", "SCHEMA")
        .put("subject", subject)
        .put("version", version)
        .put("magic", SCHEMA_MAGIC);
  }

  /** Null for what is a tombstone. */
  static byte[] value(LogRecord record) {
    ObjectNode value = JSON.createObjectNode();
    if (record instanceof LogRecord.Version r) {
      value.put("subject", r.subject()).put("version", r.version()).put("id", r.id());
      if (!r.references().isEmpty()) {
        references(value.putArray("references"), r.references());
      }
      value.put("schema", r.schema()).put("deleted", r.deleted());
    } else if (record instanceof LogRecord.SubjectDeleted r) {
      value.put("subject", r.subject()).put("version", r.upToVersion());
    } else if (record instanceof LogRecord.Compatibility r && r.level() != null) {
      value.put("compatibilityLevel", r.level().name());
    } else if (record instanceof LogRecord.ModeChanged r && r.mode() != null) {
      value.put("mode", r.mode().name());
    } else {
      return null;
    }
    return bytes(value);
  }

  /** Empty for a record that says nothing here: NOOP, other kinds, schemas that are not Avro. */
  static Optional<LogRecord> read(byte[] key, byte[] value) throws IOException {
    if (key == null) {
      return Optional.empty();
    }
    JsonNode k = JSON.readTree(key);
    JsonNode v = value == null ? null : JSON.readTree(value);
    String subject = k.hasNonNull("subject") ? k.path("subject").asText() : null;
    LogRecord record =
        switch (k.path("keytype").asText()) {
          case "SCHEMA" -> version(subject, k.path("version").asInt(), v);
          case "DELETE_SUBJECT" ->
              v == null ? null : new LogRecord.SubjectDeleted(subject, v.path("version").asInt());
          case "CONFIG" ->
              new LogRecord.Compatibility(
                  subject, constant(CompatibilityLevel.class, v, "compatibilityLevel"));
          case "MODE" -> new LogRecord.ModeChanged(subject, constant(Mode.class, v, "mode"));
          default -> null;
        };
    return Optional.ofNullable(record);
  }

  private static LogRecord version(String subject, int version, JsonNode value) {
    if (value == null) {
      return new LogRecord.VersionRemoved(subject, version);
    }
    if (!value.path("schemaType").asText("AVRO").equals("AVRO")) {
      return null;
    }
    return new LogRecord.Version(
        subject,
        version,
        value.path("id").asInt(),
        value.path("schema").asText(),
        references(value),
        value.path("deleted").asBoolean());
  }

  /** Writes references as both the log and the API have them. */
  static void references(ArrayNode array, List<Reference> references) {
    for (Reference reference : references) {
      array
          .addObject()
          .put("name", reference.name())
          .put("subject", reference.subject())
          .put("version", reference.version());
    }
  }

  /** The references in a record of the log or a request. */
  static List<Reference> references(JsonNode schema) {
    List<Reference> references = new ArrayList<>();
    for (JsonNode reference : schema.path("references")) {
      references.add(
          new Reference(
              reference.path("name").asText(),
              reference.path("subject").asText(),
              reference.path("version").asInt()));
    }
    return List.copyOf(references);
  }

  private static <E extends Enum<E>> E constant(Class<E> type, JsonNode value, String field) {
    if (value == null || !value.hasNonNull(field)) {
      return null;
    }
    for (E constant : type.getEnumConstants()) {
      if (constant.name().equals(value.path(field).asText())) {
        return constant;
      }
    }
    return null;
  }

  private static byte[] bytes(JsonNode node) {
    try {
      return JSON.writeValueAsBytes(node);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }
}
