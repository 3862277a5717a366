package io.lethe.schemas;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.DeletionRequest;
import io.lethe.schemas.client.CompatibilityLevel;
import io.lethe.schemas.serde.ReleasedSchemas;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.avro.Schema;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Released schemas are frozen, and the current ones evolve compatibly with all of them.
 *
 * <p>{@code mvn -pl schemas test -Dtest=SchemaEvolutionTest -Dschemas.freeze=next} freezes what
 * changed as the next version, for a release; {@code -Dschemas.freeze=in-place} replaces the last
 * copy, as long as it was never released.
 */
class SchemaEvolutionTest {

  @BeforeAll
  static void freezeOnRequest() throws IOException {
    String mode = System.getProperty("schemas.freeze");
    if (mode != null) {
      Released.freeze(mode.equals("in-place"));
    }
  }

  @Test
  void currentSchemasAreCompatibleWithAllReleasedOnes() throws IOException {
    List<String> problems = new ArrayList<>();
    for (Schema schema : Released.current()) {
      List<Schema> released = ReleasedSchemas.of(schema.getFullName());
      problems.addAll(Evolution.problems(schema, released, Released.level(schema)));
    }

    assertThat(problems)
        .as("incompatible changes; before their first release: -Dschemas.freeze=in-place")
        .isEmpty();
  }

  /** What has no frozen copy may change in any way. */
  @Test
  void everyRecordHasAFrozenCopy() throws IOException {
    assertThat(Released.current())
        .as("a new record: -Dschemas.freeze=in-place writes its first copy")
        .allSatisfy(schema -> assertThat(ReleasedSchemas.of(schema.getFullName())).isNotEmpty());
  }

  @Test
  void releasedSchemasNeverChange() throws IOException {
    assertThat(Released.fingerprints()).isEqualTo(Released.pinned());
  }

  @Test
  void everyFieldIsDocumented() throws IOException {
    List<String> undocumented = new ArrayList<>();
    for (Schema schema : Released.current()) {
      if (schema.getDoc() == null) {
        undocumented.add(schema.getFullName());
      }
      for (Schema.Field field : schema.getFields()) {
        if (field.doc() == null || field.doc().isBlank()) {
          undocumented.add(schema.getFullName() + "." + field.name());
        }
      }
    }

    assertThat(undocumented).isEmpty();
  }

  @Test
  void aBreakingChangeIsNamedByItsField() {
    // Given: version 2 makes selector.kind a string and adds a field without a default
    Schema one = DeletionRequest.getClassSchema();
    String kind = "\\{\"type\":\"enum\",\"name\":\"SelectorKind\"[^}]*}";
    String ticket = "\"fields\":[{\"name\":\"ticket\",\"type\":\"string\"},";
    Schema two =
        new Schema.Parser()
            .parse(
                one.toString()
                    .replaceFirst(kind, "\"string\"")
                    .replaceFirst("\"fields\":\\[", ticket));

    // When
    List<String> full = Evolution.problems(two, List.of(one), CompatibilityLevel.FULL_TRANSITIVE);
    List<String> backward =
        Evolution.problems(two, List.of(one), CompatibilityLevel.BACKWARD_TRANSITIVE);

    // Then
    assertThat(full)
        .anyMatch(
            problem ->
                problem.startsWith(
                    "io.lethe.events.DeletionRequest.ticket reads no records of older writers"
                        + " (released version 1): READER_FIELD_MISSING_DEFAULT_VALUE"))
        .anyMatch(
            problem ->
                problem.startsWith(
                    "io.lethe.events.DeletionRequest.selector.kind is not read by older readers"));
    assertThat(backward).isNotEmpty().allMatch(problem -> problem.contains("older writers"));
  }
}
