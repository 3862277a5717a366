package io.lethe.schemas;

import io.lethe.schemas.client.CompatibilityLevel;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.Incompatibility;

/** Says which field of a schema breaks its compatibility with a released one, and how. */
final class Evolution {
  private Evolution() {}

  /**
   * @param released all released versions, oldest first
   */
  static List<String> problems(Schema schema, List<Schema> released, CompatibilityLevel level) {
    List<String> problems = new ArrayList<>();
    for (int i = 0; i < released.size(); i++) {
      Schema old = released.get(i);
      String version = " (released version " + (i + 1) + ")";
      if (level.backward()) {
        add(problems, schema, old, "reads no records of older writers" + version);
      }
      if (level.forward()) {
        add(problems, old, schema, "is not read by older readers" + version);
      }
    }
    return problems;
  }

  private static void add(List<String> problems, Schema reader, Schema writer, String effect) {
    for (Incompatibility found :
        SchemaCompatibility.checkReaderWriterCompatibility(reader, writer)
            .getResult()
            .getIncompatibilities()) {
      problems.add(
          String.format(
              "%s %s: %s %s",
              reader.getFullName() + path(reader, found.getLocation()),
              effect,
              found.getType(),
              found.getMessage()));
    }
  }

  /**
   * The names of the fields on the way to a place: ".selector.kind" of
   * "/fields/1/type/fields/0/type".
   */
  private static String path(Schema schema, String pointer) {
    StringBuilder path = new StringBuilder();
    Schema at = schema;
    String[] steps = pointer.substring(1).split("/", -1);
    for (int i = 0; i < steps.length; i++) {
      switch (steps[i]) {
        case "fields" -> {
          Schema.Field field = at.getFields().get(Integer.parseInt(steps[++i]));
          path.append('.').append(field.name());
          at = field.schema();
        }
        case "items" -> at = at.getElementType();
        case "values" -> at = at.getValueType();
        default -> {
          if (at.getType() == Schema.Type.UNION && steps[i].matches("\\d+")) {
            at = at.getTypes().get(Integer.parseInt(steps[i]));
          }
        }
      }
    }
    return path.toString();
  }
}
