package io.lethe.json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.ByteBuffer;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecord;

/**
 * Converts generated Avro records to plain JSON and back.
 *
 * <p>Fields keep their names and the schema's order. An instant is an ISO-8601 string in UTC, cut
 * to the microseconds that Avro keeps; a UUID, an enum symbol and bytes (base64) are strings; an
 * absent value is an absent field. JSON has no NaN and no infinities: they are the strings {@code
 * "NaN"}, {@code "Infinity"} and {@code "-Infinity"}.
 *
 * <p>Avro's own JSON encoding is not used: it wraps union values in an object that names their
 * type, and writes instants as counts of microseconds. Reading is strict, so that a misspelt field
 * of a deletion request is an error and not a request for something else.
 *
 * <p>Stateless and thread-safe.
 */
public final class JsonRecords {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  private JsonRecords() {}

  /** The record as JSON, a new tree. */
  public static ObjectNode toJson(SpecificRecord record) {
    return object(record);
  }

  /**
   * Reads a record. Fields that have a default may be absent.
   *
   * @throws JsonFormException if a field is unknown, missing or of another type
   */
  public static <T extends SpecificRecord> T fromJson(JsonNode json, Class<T> type) {
    return type.cast(record(json, SpecificData.get().getSchema(type), ""));
  }

  /** What a field has when it is absent, as JSON: empty for a field that must be present. */
  public static Optional<JsonNode> defaultOf(Schema.Field field) {
    if (!field.hasDefaultValue()) {
      return Optional.empty();
    }
    return Optional.of(node(SpecificData.get().getDefaultValue(field)));
  }

  /** The schema of a nullable field's value; any other schema is returned as it is. */
  public static Schema nonNull(Schema schema) {
    if (schema.getType() != Schema.Type.UNION) {
      return schema;
    }
    List<Schema> branches =
        schema.getTypes().stream().filter(s -> s.getType() != Schema.Type.NULL).toList();
    if (branches.size() != 1) {
      throw new IllegalArgumentException(
          "only unions of null and one type have a JSON form: " + schema);
    }
    return branches.get(0);
  }

  private static ObjectNode object(IndexedRecord record) {
    ObjectNode object = NODES.objectNode();
    for (Schema.Field field : record.getSchema().getFields()) {
      Object value = record.get(field.pos());
      if (value != null) {
        object.set(field.name(), node(value));
      }
    }
    return object;
  }

  private static JsonNode node(Object value) {
    if (value == null) {
      return NODES.nullNode();
    } else if (value instanceof IndexedRecord nested) {
      return object(nested);
    } else if (value instanceof Iterable<?> items) {
      ArrayNode array = NODES.arrayNode();
      items.forEach(item -> array.add(node(item)));
      return array;
    } else if (value instanceof Map<?, ?> entries) {
      ObjectNode object = NODES.objectNode();
      entries.forEach((key, item) -> object.set(key.toString(), node(item)));
      return object;
    } else if (value instanceof Instant instant) {
      return NODES.textNode(instant.truncatedTo(ChronoUnit.MICROS).toString());
    } else if (value instanceof Integer number) {
      return NODES.numberNode(number.intValue());
    } else if (value instanceof Long number) {
      return NODES.numberNode(number.longValue());
    } else if (value instanceof Float number) {
      return Float.isFinite(number)
          ? NODES.numberNode(number.floatValue())
          : NODES.textNode(number.toString());
    } else if (value instanceof Double number) {
      return Double.isFinite(number)
          ? NODES.numberNode(number.doubleValue())
          : NODES.textNode(number.toString());
    } else if (value instanceof Boolean flag) {
      return NODES.booleanNode(flag);
    } else if (value instanceof ByteBuffer bytes) {
      byte[] copy = new byte[bytes.remaining()];
      bytes.duplicate().get(copy);
      return NODES.textNode(Base64.getEncoder().encodeToString(copy));
    } else if (value instanceof CharSequence || value instanceof UUID || value instanceof Enum) {
      return NODES.textNode(value.toString());
    }
    throw new IllegalArgumentException("no JSON form for " + value.getClass().getName());
  }

  private static Object record(JsonNode json, Schema schema, String path) {
    if (json == null || !json.isObject()) {
      throw new JsonFormException(path, "expected an object, found " + kind(json));
    }
    for (Iterator<String> names = json.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      if (schema.getField(name) == null) {
        throw new JsonFormException(
            path, "unknown field '" + name + "'; known are " + names(schema));
      }
    }
    IndexedRecord record = (IndexedRecord) SpecificData.get().newRecord(null, schema);
    for (Schema.Field field : schema.getFields()) {
      record.put(field.pos(), field(json.get(field.name()), field, child(path, field.name())));
    }
    return record;
  }

  private static Object field(JsonNode json, Schema.Field field, String path) {
    if (json != null && !(json.isNull() && !field.schema().isNullable())) {
      return value(json, field.schema(), path);
    }
    if (field.hasDefaultValue()) {
      return SpecificData.get().getDefaultValue(field);
    }
    if (json == null && field.schema().isNullable()) {
      return null;
    }
    throw new JsonFormException(path, "missing");
  }

  private static Object value(JsonNode json, Schema schema, String path) {
    if (json.isNull() && schema.isNullable()) {
      return null;
    }
    Schema type = nonNull(schema);
    return switch (type.getType()) {
      case RECORD -> record(json, type, path);
      case ARRAY -> array(json, type, path);
      case MAP -> map(json, type, path);
      case ENUM -> symbol(json, type, path);
      case STRING ->
          type.getLogicalType() instanceof LogicalTypes.Uuid
              ? uuid(json, path)
              : text(json, "a string", path);
      case BYTES -> bytes(json, path);
      case LONG ->
          type.getLogicalType() instanceof LogicalTypes.TimestampMicros
              ? instant(json, path)
              : (Object) integer(json, path, Long.MIN_VALUE, Long.MAX_VALUE);
      case INT -> (int) integer(json, path, Integer.MIN_VALUE, Integer.MAX_VALUE);
      case DOUBLE -> real(json, path);
      case FLOAT -> (float) real(json, path);
      case BOOLEAN -> {
        if (!json.isBoolean()) {
          throw new JsonFormException(path, "expected true or false, found " + kind(json));
        }
        yield json.booleanValue();
      }
      default -> throw new IllegalArgumentException("no JSON form for " + type);
    };
  }

  private static List<Object> array(JsonNode json, Schema type, String path) {
    if (!json.isArray()) {
      throw new JsonFormException(path, "expected an array, found " + kind(json));
    }
    List<Object> items = new ArrayList<>(json.size());
    for (int i = 0; i < json.size(); i++) {
      items.add(value(json.get(i), type.getElementType(), path + "[" + i + "]"));
    }
    return items;
  }

  private static Map<String, Object> map(JsonNode json, Schema type, String path) {
    if (!json.isObject()) {
      throw new JsonFormException(path, "expected an object, found " + kind(json));
    }
    Map<String, Object> entries = new LinkedHashMap<>();
    json.properties()
        .forEach(
            entry ->
                entries.put(
                    entry.getKey(),
                    value(entry.getValue(), type.getValueType(), child(path, entry.getKey()))));
    return entries;
  }

  private static Object symbol(JsonNode json, Schema type, String path) {
    String symbol = text(json, "one of " + type.getEnumSymbols(), path);
    if (!type.hasEnumSymbol(symbol)) {
      throw new JsonFormException(path, "expected one of " + type.getEnumSymbols());
    }
    try {
      return SpecificData.get().createEnum(symbol, type);
    } catch (AvroRuntimeException e) {
      throw new IllegalStateException("no generated class for " + type.getFullName(), e);
    }
  }

  private static UUID uuid(JsonNode json, String path) {
    String text = text(json, "a UUID", path);
    try {
      UUID uuid = UUID.fromString(text);
      if (uuid.toString().equalsIgnoreCase(text)) { // fromString takes shortened groups
        return uuid;
      }
    } catch (IllegalArgumentException e) {
      // Falls through: said below.
    }
    throw new JsonFormException(path, "expected a UUID such as " + new UUID(0, 0));
  }

  private static Instant instant(JsonNode json, String path) {
    String text = text(json, "an instant", path);
    try {
      return Instant.parse(text).truncatedTo(ChronoUnit.MICROS);
    } catch (DateTimeException e) {
      throw new JsonFormException(path, "expected an instant such as 2026-01-31T12:00:00Z");
    }
  }

  private static ByteBuffer bytes(JsonNode json, String path) {
    try {
      return ByteBuffer.wrap(Base64.getDecoder().decode(text(json, "base64", path)));
    } catch (IllegalArgumentException e) {
      throw new JsonFormException(path, "expected base64");
    }
  }

  private static String text(JsonNode json, String expected, String path) {
    if (!json.isTextual()) {
      throw new JsonFormException(path, "expected " + expected + ", found " + kind(json));
    }
    return json.textValue();
  }

  private static long integer(JsonNode json, String path, long min, long max) {
    if (!json.isNumber() || !json.canConvertToExactIntegral() || !json.canConvertToLong()) {
      throw new JsonFormException(path, "expected a whole number, found " + kind(json));
    }
    long number = json.longValue();
    if (number < min || number > max) {
      throw new JsonFormException(path, "expected a whole number from " + min + " to " + max);
    }
    return number;
  }

  private static double real(JsonNode json, String path) {
    if (json.isNumber()) {
      return json.doubleValue();
    }
    if (json.isTextual()) {
      switch (json.textValue()) {
        case "NaN":
          return Double.NaN;
        case "Infinity":
          return Double.POSITIVE_INFINITY;
        case "-Infinity":
          return Double.NEGATIVE_INFINITY;
        default:
      }
    }
    throw new JsonFormException(path, "expected a number, found " + kind(json));
  }

  private static String child(String path, String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  private static String names(Schema schema) {
    return String.join(", ", schema.getFields().stream().map(Schema.Field::name).toList());
  }

  private static String kind(JsonNode json) {
    if (json == null) {
      return "nothing";
    }
    return switch (json.getNodeType()) {
      case ARRAY -> "an array";
      case OBJECT, POJO -> "an object";
      case BOOLEAN -> "a boolean";
      case NUMBER -> "a number";
      case STRING, BINARY -> "a string";
      case NULL -> "null";
      case MISSING -> "nothing";
    };
  }
}
