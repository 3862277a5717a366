package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.confluent.kafka.schemaregistry.avro.AvroSchema;
import io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import io.confluent.kafka.schemaregistry.client.SchemaMetadata;
import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.lethe.embedded.EmbeddedBroker;
import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherKey;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import io.lethe.schemas.serde.AvroSerde;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.specific.SpecificRecord;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Our serde and our registry against the genuine serializer, deserializer and client of Confluent.
 */
class ConfluentInteropIT {
  private static final int SAMPLES = 50;

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

  static Stream<Class<? extends SpecificRecord>> events() {
    return Stream.of(
        DatasetLineage.class,
        DeletionRequest.class,
        ErasureReceipt.class,
        FisherChunk.class,
        FisherKey.class,
        JobOutcome.class,
        JobProgress.class,
        LineageKey.class,
        ModelRegistered.class,
        ModelVersion.class,
        UnlearningJob.class);
  }

  @ParameterizedTest
  @MethodSource("events")
  <T extends SpecificRecord> void bothWriteTheSameBytesAndReadEachOthers(Class<T> type) {
    RandomEvents events = new RandomEvents(type.getName().hashCode());
    for (boolean oursFirst : new boolean[] {true, false}) {
      // Given: whoever is first registers the schema
      String topic = type.getSimpleName() + (oursFirst ? "-ours" : "-theirs");
      Map<String, Object> settings = settings(Map.of("specific.avro.reader", true));
      try (AvroSerde<T> ours = AvroSerde.of(type, settings, false);
          KafkaAvroSerializer theirSerializer = new KafkaAvroSerializer();
          KafkaAvroDeserializer theirDeserializer = new KafkaAvroDeserializer()) {
        theirSerializer.configure(settings, false);
        theirDeserializer.configure(settings, false);

        for (int i = 0; i < SAMPLES; i++) {
          T event = events.next(type);

          // When
          byte[] first = oursFirst ? ours.serializer().serialize(topic, event) : null;
          byte[] their = theirSerializer.serialize(topic, event);
          byte[] our = oursFirst ? first : ours.serializer().serialize(topic, event);

          // Then
          assertThat(our).isEqualTo(their);
          assertThat(theirDeserializer.deserialize(topic, our)).isEqualTo(event);
          assertThat(ours.deserializer().deserialize(topic, their)).isEqualTo(event);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"TopicNameStrategy", "RecordNameStrategy", "TopicRecordNameStrategy"})
  void bothNameSubjectsAlike(String strategy) {
    // Given
    Map<String, Object> settings =
        settings(
            Map.of(
                "value.subject.name.strategy",
                "io.confluent.kafka.serializers.subject." + strategy,
                "key.subject.name.strategy",
                "io.confluent.kafka.serializers.subject." + strategy));
    LineageKey event = new LineageKey("s", "d");
    for (boolean isKey : new boolean[] {true, false}) {
      try (AvroSerde<LineageKey> ours = AvroSerde.of(LineageKey.class, settings, isKey);
          KafkaAvroSerializer theirs = new KafkaAvroSerializer();
          SchemaRegistryClient client = SchemaRegistryClients.open(settings)) {
        theirs.configure(settings, isKey);

        // When
        theirs.serialize("named", event);
        List<String> after = client.subjects();
        ours.serializer().serialize("named", event);

        // Then
        assertThat(client.subjects()).isEqualTo(after);
      }
    }
  }

  @Test
  void anUnregisteredSchemaIsRefusedToBothWithoutAutoRegistration() {
    Map<String, Object> settings = settings(Map.of("auto.register.schemas", false));
    try (AvroSerde<LineageKey> ours = AvroSerde.of(LineageKey.class, settings, false);
        KafkaAvroSerializer theirs = new KafkaAvroSerializer()) {
      theirs.configure(settings, false);

      assertThatThrownBy(() -> theirs.serialize("unregistered", new LineageKey("s", "d")))
          .hasRootCauseInstanceOf(RestClientException.class)
          .rootCause()
          .hasMessageContaining("40401");
      assertThatThrownBy(
              () -> ours.serializer().serialize("unregistered", new LineageKey("s", "d")))
          .hasMessageContaining("40401");
    }
  }

  @Test
  void aGenericReaderSeesPlainAvro() {
    // Given: what a consumer without our classes does
    try (AvroSerde<DeletionRequest> ours =
            AvroSerde.of(DeletionRequest.class, settings(Map.of()), false);
        KafkaAvroDeserializer theirs = new KafkaAvroDeserializer()) {
      theirs.configure(settings(Map.of("specific.avro.reader", false)), false);
      DeletionRequest event = new RandomEvents(1).next(DeletionRequest.class);

      // When
      Object read = theirs.deserialize("generic", ours.serializer().serialize("generic", event));

      // Then
      assertThat(read).isInstanceOf(GenericRecord.class);
      assertThat(((GenericRecord) read).get("requestId").toString())
          .isEqualTo(event.getRequestId().toString());
    }
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

  private static void refused(int code, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            RestClientException.class, e -> assertThat(e.getErrorCode()).isEqualTo(code));
  }

  private static Map<String, Object> settings(Map<String, Object> more) {
    Map<String, Object> settings = new HashMap<>(more);
    settings.put("schema.registry.url", registry.url());
    return settings;
  }

  private static Schema record(String fields) {
    return new Schema.Parser()
        .parse("{\"type\":\"record\",\"name\":\"R\",\"fields\":[" + fields + "]}");
  }
}
