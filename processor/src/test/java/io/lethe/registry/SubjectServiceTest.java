package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.schemas.client.RegistryError;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import org.apache.avro.Schema;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SubjectServiceTest {
  private static final Schema A = record("{\"name\":\"a\",\"type\":\"int\"}");
  private static final Schema A_B_OPTIONAL =
      record("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"int\",\"default\":1}");
  private static final Schema A_B =
      record("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"int\"}");
  private static final Schema B = record("{\"name\":\"b\",\"type\":\"int\"}");
  private static final Schema NOTHING = record("");

  private static final String INNER = "{\"type\":\"record\",\"name\":\"Inner\",\"fields\":[]}";
  private static final String MIDDLE =
      "{\"type\":\"record\",\"name\":\"Middle\",\"fields\":[{\"name\":\"i\",\"type\":\"Inner\"}]}";
  private static final String OUTER =
      "{\"type\":\"record\",\"name\":\"Outer\",\"fields\":[{\"name\":\"m\",\"type\":\"Middle\"}]}";

  private final MemoryLog log = new MemoryLog();
  private final SubjectService service = new SubjectService(log);

  @Test
  void oneSchemaHasOneIdInAllSubjects() {
    assertThat(register("s", A)).isEqualTo(1);
    assertThat(register("s", A)).isEqualTo(1);
    assertThat(register("t", A)).isEqualTo(1);
    assertThat(register("s", A_B_OPTIONAL)).isEqualTo(2);
    assertThat(service.existing("s", false))
        .extracting(LogRecord.Version::version)
        .containsExactly(1, 2);
    assertThat(log.records).hasSize(3);
  }

  @Test
  void whitespaceMakesNoNewSchemaButADocDoes() {
    // Given
    int id = register("s", A);
    String text = A.toString();

    // When
    int spaced = register("s", SchemaText.parse(text.replace(",", " ,\n ")));
    Schema documented = SchemaText.parse(text.replace("\"fields\"", "\"doc\":\"d\",\"fields\""));

    // Then
    assertThat(spaced).isEqualTo(id);
    assertThat(register("s", documented)).isEqualTo(id + 1);
  }

  @Test
  void theOrderOfPropertiesMattersUnlessNormalized() {
    // Given
    String one = "{\"type\":\"string\",\"x\":{\"b\":1,\"a\":[2]},\"w\":0}";
    String two = "{\"w\":0,\"x\":{\"a\":[2],\"b\":1},\"type\":\"string\"}";

    // When, Then
    assertThat(register("s", SchemaText.parse(one)))
        .isNotEqualTo(register("s", SchemaText.parse(two)));
    assertThat(register("t", SchemaText.normalized(one)))
        .isEqualTo(register("t", SchemaText.normalized(two)));
  }

  @Test
  void concurrentRegistrationsOfOneSchemaGetOneId() throws Exception {
    // Given
    ExecutorService threads = Executors.newFixedThreadPool(8);
    List<Callable<Integer>> calls = new ArrayList<>();
    for (int i = 0; i < 200; i++) {
      String subject = "s" + i % 3;
      calls.add(() -> register(subject, A));
    }

    // When
    Set<Integer> ids = new HashSet<>();
    for (Future<Integer> id : threads.invokeAll(calls)) {
      ids.add(id.get());
    }
    threads.shutdown();

    // Then
    assertThat(ids).containsExactly(1);
    assertThat(log.records).hasSize(3);
  }

  /**
   * Registers the second (and third) schema after the first and says whether the last was admitted.
   */
  @ParameterizedTest
  @CsvSource({
    "BACKWARD, a, ab-optional, true",
    "BACKWARD, a, ab, false",
    "BACKWARD, ab, a, true",
    "FORWARD, a, ab, true",
    "FORWARD, ab, a, false",
    "FORWARD, ab-optional, a, true",
    "FULL, a, ab-optional, true",
    "FULL, a, ab, false",
    "FULL, ab, a, false",
    "NONE, a, b, true",
    "BACKWARD, a nothing, b, false",
  })
  void holdsTheSubjectsLevel(String level, String earlier, String next, boolean admitted) {
    // Given
    service.setLevel("s", "NONE");
    for (String name : earlier.split(" ")) {
      register("s", schema(name));
    }
    service.setLevel("s", level);

    // When, Then
    assertThat(service.problems("s", null, sent(schema(next))).isEmpty()).isEqualTo(admitted);
    if (admitted) {
      assertThat(register("s", schema(next))).isPositive();
    } else {
      refused(RegistryError.INCOMPATIBLE_SCHEMA, () -> register("s", schema(next)));
    }
  }

  @Test
  void transitiveLevelsLookAtAllVersionsAndOthersAtTheLatest() {
    // Given: c was a string once, then absent
    Schema string = record("{\"name\":\"c\",\"type\":\"string\",\"default\":\"\"}");
    Schema number = record("{\"name\":\"c\",\"type\":\"int\",\"default\":0}");
    register("s", string);
    register("s", NOTHING);

    // When, Then
    service.setLevel("s", "BACKWARD_TRANSITIVE");
    assertThat(service.problems("s", null, sent(number)))
        .singleElement()
        .asString()
        .contains("TYPE_MISMATCH", "/fields/0/type", "cannot read the old");
    service.setLevel("s", "FORWARD_TRANSITIVE");
    assertThat(service.problems("s", null, sent(number))).isNotEmpty();
    service.setLevel("s", "FULL");
    assertThat(service.problems("s", null, sent(number))).isEmpty();
    assertThat(service.problems("s", "1", sent(number))).isNotEmpty();
  }

  @Test
  void theDefaultIsBackwardAndASubjectsOwnLevelGoesFirst() {
    assertThat(service.levelOf("s").name()).isEqualTo("BACKWARD");
    service.setLevel(null, "forward");
    assertThat(service.levelOf("s").name()).isEqualTo("FORWARD");
    service.setLevel("s", "FULL_TRANSITIVE");
    assertThat(service.levelOf("s").name()).isEqualTo("FULL_TRANSITIVE");
    assertThat(service.removeLevel("s").name()).isEqualTo("FULL_TRANSITIVE");
    assertThat(service.levelOf("s").name()).isEqualTo("FORWARD");
    refused(RegistryError.COMPATIBILITY_NOT_CONFIGURED, () -> service.removeLevel("s"));
    refused(RegistryError.INVALID_COMPATIBILITY_LEVEL, () -> service.setLevel("s", "SIDEWARDS"));
  }

  @Test
  void deletesSoftlyThenForGood() {
    // Given
    register("s", A);
    register("s", A_B_OPTIONAL);

    // When, Then: one version
    refused(RegistryError.VERSION_NOT_SOFT_DELETED, () -> service.deleteVersion("s", "1", true));
    assertThat(service.deleteVersion("s", "1", false)).isEqualTo(1);
    refused(RegistryError.VERSION_SOFT_DELETED, () -> service.deleteVersion("s", "1", false));
    refused(RegistryError.VERSION_NOT_FOUND, () -> service.version("s", "1", false));
    assertThat(service.version("s", "1", true).deleted()).isTrue();
    assertThat(service.schema(1).schema()).isEqualTo(A.toString());
    assertThat(service.deleteVersion("s", "1", true)).isEqualTo(1);
    refused(RegistryError.SCHEMA_NOT_FOUND, () -> service.schema(1));

    // When, Then: the subject
    refused(RegistryError.SUBJECT_NOT_SOFT_DELETED, () -> service.deleteSubject("s", true));
    assertThat(service.deleteSubject("s", false)).containsExactly(2);
    refused(RegistryError.SUBJECT_SOFT_DELETED, () -> service.deleteSubject("s", false));
    refused(RegistryError.SUBJECT_NOT_FOUND, () -> service.existing("s", false));
    assertThat(service.subjects(true)).containsExactly("s");
    assertThat(service.deleteSubject("s", true)).containsExactly(2);
    assertThat(service.subjects(true)).isEmpty();
  }

  @Test
  void aDeletedSubjectStartsAfterItsLastVersionAndIdsAreNotReused() {
    // Given
    register("s", A);
    register("s", A_B_OPTIONAL);
    service.deleteSubject("s", false);

    // When: what was incompatible is admitted, since nothing is left to be compatible with
    int id = register("s", B);

    // Then
    assertThat(id).isEqualTo(3);
    assertThat(service.version("s", "latest", false).version()).isEqualTo(3);
    assertThat(register("t", A)).isEqualTo(1);
  }

  @Test
  void readOnlyMeansReadOnly() {
    register("s", A);
    service.setMode("s", "READONLY", false);
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> register("s", A_B_OPTIONAL));
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> service.deleteSubject("s", false));
    assertThat(register("t", B)).isEqualTo(2);
    service.removeMode("s");
    service.setMode(null, "READONLY_OVERRIDE", false);
    service.setMode("s", "READWRITE", false);
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> register("s", A_B_OPTIONAL));
    refused(RegistryError.INVALID_MODE, () -> service.setMode(null, "SIDEWARDS", false));
    refused(RegistryError.MODE_NOT_CONFIGURED, () -> service.ownMode("t"));
  }

  @Test
  void refusesWhatIsNoSchemaSubjectOrVersion() {
    register("s", A);
    refused(RegistryError.INVALID_SCHEMA, () -> SchemaText.parse("{"));
    refused(RegistryError.INVALID_SCHEMA, () -> SchemaText.normalized("{"));
    refused(RegistryError.INVALID_SCHEMA, () -> SchemaText.parse(""));
    refused(RegistryError.INVALID_SCHEMA, () -> SchemaText.normalized(""));
    refused(RegistryError.INVALID_SCHEMA, () -> SchemaText.parse("[".repeat(100_000)));
    refused(RegistryError.INVALID_SCHEMA, () -> SchemaText.normalized("[".repeat(100_000)));
    refused(RegistryError.INVALID_SUBJECT, () -> register(" ", A));
    refused(RegistryError.INVALID_SUBJECT, () -> register("a\nb", A));
    refused(RegistryError.INVALID_VERSION, () -> service.version("s", "0", false));
    refused(RegistryError.INVALID_VERSION, () -> service.version("s", "first", false));
    refused(RegistryError.VERSION_NOT_FOUND, () -> service.version("s", "2", false));
    refused(RegistryError.SUBJECT_NOT_FOUND, () -> service.lookUp("t", sent(A), false));
    refused(RegistryError.SCHEMA_NOT_FOUND, () -> service.lookUp("s", sent(B), false));
  }

  @Test
  void aReplayGivesTheSameState() {
    // Given
    register("s", A);
    register("s", A_B_OPTIONAL);
    register("t", B);
    service.deleteSubject("s", false);
    register("s", NOTHING);
    service.setLevel("t", "FULL");
    service.setMode("t", "READONLY", false);

    // When
    SubjectService replayed = new SubjectService(log);

    // Then
    assertThat(replayed.existing("s", true)).isEqualTo(service.existing("s", true));
    assertThat(replayed.existing("t", true)).isEqualTo(service.existing("t", true));
    assertThat(replayed.ownLevel("t").name()).isEqualTo("FULL");
    assertThat(replayed.ownMode("t")).isEqualTo(Mode.READONLY);
    assertThat(replayed.register("u", sent(A_B))).isEqualTo(register("v", record("\n")) + 1);
  }

  @Test
  void anAppendThatFailedAfterItWasWrittenIsFoundAgain() {
    // Given
    log.failAfterWrite = true;
    refused(RegistryError.TIMEOUT, () -> register("s", A));
    log.failAfterWrite = false;

    // When
    int id = register("s", A);

    // Then
    assertThat(id).isEqualTo(1);
    assertThat(log.records).hasSize(1);
  }

  @Test
  void referencesAreReadWithWhatTheyReferTo() {
    // Given: Outer uses Middle, which uses Inner
    register("inner", INNER);
    register("middle", MIDDLE, new Reference("Inner", "inner", 1));
    Reference middle = new Reference("Middle", "middle", 1);

    // When
    int id = register("outer", OUTER, middle);

    // Then
    assertThat(register("outer", OUTER, middle)).isEqualTo(id);
    assertThat(service.schema(id).references()).containsExactly(middle);
    assertThat(service.schema(id).schema()).doesNotContain("Inner").contains("\"Middle\"");
    assertThat(new SubjectService(log).schema(id)).isEqualTo(service.schema(id));
    assertThat(service.referencedBy(service.version("middle", "1", false), false))
        .containsExactly(id);
    refused(RegistryError.INVALID_SCHEMA, () -> register("outer", OUTER));
    refused(
        RegistryError.INVALID_SCHEMA,
        () -> register("outer", OUTER, new Reference("Middle", "middle", 2)));
  }

  @Test
  void compatibilityLooksIntoWhatIsReferredTo() {
    // Given: version 2 of Inner has a field that old data lacks
    register("inner", INNER);
    service.setLevel("inner", "NONE");
    register("inner", INNER.replace("[]", "[{\"name\":\"a\",\"type\":\"int\"}]"));
    register("outer", MIDDLE, new Reference("Inner", "inner", 1));

    // When, Then
    refused(
        RegistryError.INCOMPATIBLE_SCHEMA,
        () -> register("outer", MIDDLE, new Reference("Inner", "inner", 2)));
  }

  @Test
  void whatIsReferredToIsNotDeleted() {
    // Given
    register("inner", INNER);
    register("middle", MIDDLE, new Reference("Inner", "inner", 1));

    // When, Then
    refused(RegistryError.REFERENCE_EXISTS, () -> service.deleteSubject("inner", false));
    refused(RegistryError.REFERENCE_EXISTS, () -> service.deleteVersion("inner", "1", false));
    service.deleteSubject("middle", false);
    assertThat(service.deleteSubject("inner", false)).containsExactly(1);
    refused(RegistryError.REFERENCE_EXISTS, () -> service.deleteSubject("inner", true));
    service.deleteSubject("middle", true);
    assertThat(service.deleteSubject("inner", true)).containsExactly(1);
  }

  @Test
  void anImportBringsIdsAndVersions() {
    // Given
    service.setMode("s", "IMPORT", false);

    // When
    service.register("s", imported(A, 7, 40));
    service.register("s", imported(B, 9, 42)); // not compatible with version 7

    // Then
    assertThat(service.version("s", "latest", false))
        .isEqualTo(new LogRecord.Version("s", 9, 42, B.toString(), List.of(), false));
    assertThat(service.schema(40).schema()).isEqualTo(A.toString());
    assertThat(service.register("s", imported(B, 9, 42))).isEqualTo(42);
    refused(
        RegistryError.OPERATION_NOT_PERMITTED, () -> service.register("s", imported(B, 10, 40)));
    refused(
        RegistryError.OPERATION_NOT_PERMITTED,
        () -> service.register("s", imported(NOTHING, 9, 50)));
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> register("s", NOTHING));
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> service.register("t", imported(A, 1, 40)));
    service.removeMode("s");
    assertThat(register("t", A_B)).isEqualTo(43);
    assertThat(register("t", A)).isEqualTo(40);
  }

  @Test
  void anImportBeginsWhereNothingIsUnlessForced() {
    register("s", A);
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> service.setMode("s", "IMPORT", false));
    refused(RegistryError.OPERATION_NOT_PERMITTED, () -> service.setMode(null, "IMPORT", false));
    service.setMode("s", "IMPORT", true);
    assertThat(service.modeOf("s")).isEqualTo(Mode.IMPORT);
  }

  private static SentSchema sent(Schema schema) {
    return SentSchema.of(schema.toString());
  }

  private static SentSchema imported(Schema schema, int version, int id) {
    return new SentSchema(schema.toString(), List.of(), false, version, id);
  }

  private int register(String subject, Schema schema) {
    return service.register(subject, sent(schema));
  }

  private int register(String subject, String text, Reference... references) {
    return service.register(subject, new SentSchema(text, List.of(references), false, 0, 0));
  }

  private static void refused(RegistryError error, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            RegistryRefusal.class, e -> assertThat(e.code()).isEqualTo(error.code()));
  }

  private static Schema schema(String name) {
    return switch (name) {
      case "a" -> A;
      case "b" -> B;
      case "ab" -> A_B;
      case "ab-optional" -> A_B_OPTIONAL;
      default -> NOTHING;
    };
  }

  private static Schema record(String fields) {
    return SchemaText.parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[" + fields + "]}");
  }

  private static final class MemoryLog implements SchemaLog {
    final List<LogRecord> records = new ArrayList<>();
    boolean failAfterWrite;

    @Override
    public void replay(Consumer<LogRecord> reader) {
      records.forEach(reader);
    }

    @Override
    public void append(LogRecord record) {
      records.add(record);
      if (failAfterWrite) {
        throw new RegistryRefusal(RegistryError.TIMEOUT, "no answer");
      }
    }

    @Override
    public void close() {}
  }
}
