package io.lethe.registry;

import io.lethe.schemas.client.CompatibilityLevel;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.Incompatibility;

/** Holds a new schema against earlier ones, by Avro's resolution rules. */
final class Compatibility {
  private Compatibility() {}

  /**
   * What speaks against the schema; empty if nothing does.
   *
   * @param earlier all versions, oldest first; the level says how many of them count
   */
  static List<String> problems(Schema schema, List<Schema> earlier, CompatibilityLevel level) {
    int first = level.transitive() ? 0 : Math.max(0, earlier.size() - 1);
    List<String> problems = new ArrayList<>();
    for (Schema old : earlier.subList(first, earlier.size())) {
      if (level.backward()) {
        problems.addAll(problems(schema, old, "the new schema cannot read the old"));
      }
      if (level.forward()) {
        problems.addAll(problems(old, schema, "the old schema cannot read the new"));
      }
    }
    return problems.stream().distinct().toList();
  }

  private static List<String> problems(Schema reader, Schema writer, String direction) {
    List<String> problems = new ArrayList<>();
    for (Incompatibility found :
        SchemaCompatibility.checkReaderWriterCompatibility(reader, writer)
            .getResult()
            .getIncompatibilities()) {
      problems.add(
          found.getType()
              + " at "
              + found.getLocation()
              + ": "
              + found.getMessage()
              + "; "
              + direction);
    }
    return problems;
  }
}
