package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.SchemaMetadata;
import io.confluent.kafka.schemaregistry.client.rest.entities.SchemaReference;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.lethe.embedded.EmbeddedBroker;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Our serde and our registry against the genuine serializer, deserializer and client of Confluent.
 */
class ConfluentInteropIT extends SerdeInteropContract {
  @TempDir static Path directory;
  private static EmbeddedBroker broker;
  private static EmbeddedSchemaRegistry registry;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory, 0);
    registry = EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
  }

  @AfterAll
  static void stop() {
    registry.close();
    broker.close();
  }

  @Override
  String registryUrl() {
    return registry.url();
  }

  @Test
  void theRegistryServesTheirClient() throws Exception {
    // Given
    AvroSchema one = new AvroSchema(record("{\"name\":\"a\",\"type\":\"int\"}"));
    AvroSchema two =
        new AvroSchema(
            record(
                "{\"name\":\"a\",\"type\":\"int\"},"
                    + "{\"name\":\"b\",\"type\":\"string\",\"default\":\"\"}"));
    AvroSchema bad = new AvroSchema(record("{\"name\":\"a\",\"type\":\"string\"}"));
    try (CachedSchemaRegistryClient client =
        new CachedSchemaRegistryClient(registry.url(), 100, Map.of())) {

      // When, Then
      int id = client.register("theirs", one);
      assertThat(client.register("theirs", two)).isEqualTo(id + 1);
      client.reset();
      assertThat(client.getId("theirs", one)).isEqualTo(id);
      assertThat(client.getVersion("theirs", two)).isEqualTo(2);
      assertThat(client.getSchemaById(id)).isEqualTo(one);
      assertThat(client.getSchemaBySubjectAndId("theirs", id)).isEqualTo(one);
      SchemaMetadata latest = client.getLatestSchemaMetadata("theirs");
      assertThat(latest.getVersion()).isEqualTo(2);
      assertThat(latest.getSchema()).isEqualTo(two.canonicalString());
      assertThat(client.getSchemaMetadata("theirs", 1).getId()).isEqualTo(id);
      assertThat(client.getAllVersions("theirs")).containsExactly(1, 2);
      assertThat(client.getAllSubjectsById(id)).containsExactly("theirs");
      assertThat(client.getAllVersionsById(id)).hasSize(1);
      assertThat(client.getAllSubjects()).contains("theirs");
      assertThat(client.getAllSubjectsByPrefix("their")).containsExactly("theirs");
      assertThat(client.testCompatibility("theirs", one)).isTrue();
      assertThat(client.testCompatibility("theirs", bad)).isFalse();
      assertThat(client.testCompatibilityVerbose("theirs", bad)).isNotEmpty();
      assertThat(client.getCompatibility(null)).isEqualTo("BACKWARD");
      assertThat(client.updateCompatibility("theirs", "NONE")).isEqualTo("NONE");
      assertThat(client.getCompatibility("theirs")).isEqualTo("NONE");
      assertThat(client.register("theirs", bad)).isEqualTo(id + 2);
      client.deleteCompatibility("theirs");
      assertThat(client.getMode()).isEqualTo("READWRITE");
      assertThat(client.setMode("READONLY", "theirs")).isEqualTo("READONLY");
      assertThat(client.getMode("theirs")).isEqualTo("READONLY");
      refused(42205, () -> client.deleteSubject("theirs"));
      client.deleteMode("theirs");
      assertThat(client.deleteSchemaVersion("theirs", "3")).isEqualTo(3);
      assertThat(client.deleteSubject("theirs")).containsExactly(1, 2);
      assertThat(client.deleteSubject("theirs", true)).containsExactly(1, 2, 3);
    }
  }

  @Test
  void theirClientUnderstandsOurRefusals() throws Exception {
    try (CachedSchemaRegistryClient client =
        new CachedSchemaRegistryClient(registry.url(), 100, Map.of())) {
      AvroSchema schema = new AvroSchema(record("{\"name\":\"a\",\"type\":\"int\"}"));
      client.register("refusals", schema);

      refused(40401, () -> client.getLatestSchemaMetadata("absent"));
      refused(40402, () -> client.getSchemaMetadata("refusals", 7));
      refused(40403, () -> client.getSchemaById(4711));
      refused(40408, () -> client.getCompatibility("refusals"));
      refused(40409, () -> client.getMode("refusals"));
      refused(
          40901,
          () ->
              client.register(
                  "refusals", new AvroSchema(record("{\"name\":\"a\",\"type\":\"string\"}"))));
      refused(42203, () -> client.updateCompatibility("refusals", "SIDEWARDS"));
      refused(42204, () -> client.setMode("SIDEWARDS", "refusals"));
    }
  }

  @Test
  void theirClientRegistersAndReadsReferences() throws Exception {
    // Given
    String inner = "{\"type\":\"record\",\"name\":\"Inner\",\"namespace\":\"n\",\"fields\":[]}";
    String outer =
        "{\"type\":\"record\",\"name\":\"Outer\",\"namespace\":\"n\","
            + "\"fields\":[{\"name\":\"inner\",\"type\":\"Inner\"}]}";
    AvroSchema referring =
        new AvroSchema(
            outer,
            List.of(new SchemaReference("n.Inner", "inner-value", 1)),
            Map.of("n.Inner", inner),
            null);
    try (CachedSchemaRegistryClient client =
            new CachedSchemaRegistryClient(registry.url(), 100, Map.of());
        SchemaRegistryClient ours =
            SchemaRegistryClients.open(Map.of("schema.registry.url", registry.url()))) {
      client.register("inner-value", new AvroSchema(inner));

      // When
      int id = client.register("outer-value", referring);
      client.reset();

      // Then
      assertThat(client.getSchemaById(id)).isEqualTo(referring);
      assertThat(client.getId("outer-value", referring)).isEqualTo(id);
      assertThat(ours.schemaById(id)).isEqualTo(referring.rawSchema());
      assertThat(ours.latest("outer-value").schema()).isEqualTo(referring.rawSchema());
      refused(42206, () -> client.deleteSubject("inner-value"));
    }
  }

  @Test
  void theirClientImportsSchemasWithTheirIds() throws Exception {
    try (CachedSchemaRegistryClient client =
        new CachedSchemaRegistryClient(registry.url(), 100, Map.of())) {
      AvroSchema schema = new AvroSchema(record("{\"name\":\"imported\",\"type\":\"int\"}"));
      refused(42205, () -> client.register("imported", schema, 5, 100_007));

      // When
      client.setMode("IMPORT", "imported");
      int id = client.register("imported", schema, 5, 100_007);

      // Then
      assertThat(id).isEqualTo(100_007);
      client.reset();
      assertThat(client.getSchemaById(100_007)).isEqualTo(schema);
      assertThat(client.getAllVersions("imported")).containsExactly(5);
      refused(42205, () -> client.setMode("IMPORT"));
      client.deleteMode("imported");
    }
  }

  private static void refused(int code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            RestClientException.class, e -> assertThat(e.getErrorCode()).isEqualTo(code));
  }

  private static Schema record(String fields) {
    return new Schema.Parser()
        .parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[" + fields + "]}");
  }
}
