package io.lethe.attestation;

import com.fasterxml.jackson.databind.JsonNode;
import io.lethe.json.JsonRecords;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;

/**
 * Compares a record with the statement on it, field by field.
 *
 * <p>Not the bytes but the values are compared: JSON tools rewrite {@code 1.0} as {@code 1} and
 * reorder fields, and a record that was written before a field existed has that field's default
 * when it is read today. A field that the schema does not know must be in the statement too.
 */
final class RecordComparison {
  /** Short names that reports give beside the record's own. */
  private static final Map<String, String> ALIASES =
      Map.of("sha256", "artifactSha256", "uri", "artifactUri");

  private final List<String> differences = new ArrayList<>();

  private RecordComparison() {}

  /** What differs, one line each that names the field; empty when the statement covers it all. */
  static List<String> differences(RecordKind kind, JsonNode record, JsonNode predicate) {
    RecordComparison comparison = new RecordComparison();
    comparison.compareRecords(kind.schema(), record, predicate, "");
    return comparison.differences;
  }

  private void compareRecords(Schema schema, JsonNode record, JsonNode stated, String path) {
    for (Schema.Field field : schema.getFields()) {
      String name = path + field.name();
      if (name.equals(Statement.ATTESTATION)) {
        continue;
      }
      JsonNode fallback = JsonRecords.defaultOf(field).orElse(null);
      JsonNode left = record.hasNonNull(field.name()) ? record.get(field.name()) : fallback;
      JsonNode right = stated.hasNonNull(field.name()) ? stated.get(field.name()) : fallback;
      if (left == null || right == null) {
        differences.add(name + ": missing in the " + (left == null ? "record" : "statement"));
      } else {
        compare(field.schema(), left, right, name);
      }
    }
    for (Iterator<String> names = record.fieldNames(); names.hasNext(); ) {
      String name = names.next();
      String original = path.isEmpty() ? ALIASES.getOrDefault(name, name) : name;
      boolean known = schema.getField(name) != null;
      if (!known && !record.get(name).equals(stated.get(original))) {
        differences.add(path + name + ": not in the statement");
      }
    }
  }

  private void compare(Schema schema, JsonNode left, JsonNode right, String path) {
    if (left.isNull() || right.isNull()) {
      if (left.isNull() != right.isNull()) {
        differ(left, right, path);
      }
      return;
    }
    Schema type = JsonRecords.nonNull(schema);
    if (type.getType() == Schema.Type.RECORD && left.isObject() && right.isObject()) {
      compareRecords(type, left, right, path + ".");
    } else if (type.getType() == Schema.Type.ARRAY && left.isArray() && right.isArray()) {
      if (left.size() != right.size()) {
        differences.add(
            path + ": the record has " + left.size() + ", the statement " + right.size());
        return;
      }
      for (int i = 0; i < left.size(); i++) {
        compare(type.getElementType(), left.get(i), right.get(i), path + "[" + i + "]");
      }
    } else if (!sameScalar(type, left, right)) {
      differ(left, right, path);
    }
  }

  private void differ(JsonNode left, JsonNode right, String path) {
    differences.add(path + ": the record says " + left + ", the statement " + right);
  }

  private static boolean sameScalar(Schema type, JsonNode left, JsonNode right) {
    if (left.isNumber() && right.isNumber()) {
      boolean real = type.getType() == Schema.Type.DOUBLE || type.getType() == Schema.Type.FLOAT;
      return real
          ? Double.compare(left.doubleValue(), right.doubleValue()) == 0
          : left.canConvertToExactIntegral()
              && right.canConvertToExactIntegral()
              && left.bigIntegerValue().equals(right.bigIntegerValue());
    }
    if (type.getLogicalType() instanceof LogicalTypes.TimestampMicros
        && left.isTextual()
        && right.isTextual()) {
      try {
        return Instant.parse(left.textValue()).equals(Instant.parse(right.textValue()));
      } catch (DateTimeException e) {
        return false;
      }
    }
    return left.equals(right);
  }
}
