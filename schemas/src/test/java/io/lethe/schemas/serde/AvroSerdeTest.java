package io.lethe.schemas.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import io.lethe.schemas.client.SchemaRegistryException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.UUID;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Utils;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class AvroSerdeTest {
  private static final String TOPIC = "lethe.deletion-requests";

  private final Map<String, Object> properties =
      Map.of("schema.registry.url", "mock://" + UUID.randomUUID());
  private final SchemaRegistryClient registry = SchemaRegistryClients.open(properties);
  private final AvroSerde<DeletionRequest> serde =
      AvroSerde.of(DeletionRequest.class, properties, false);

  @AfterEach
  void close() {
    serde.close();
    registry.close();
  }

  @Test
  void writesTheConfluentWireFormat() {
    // Given
    AvroSerde<LineageKey> keys = AvroSerde.of(LineageKey.class, properties, true);
    LineageKey key = LineageKey.newBuilder().setSubjectId("s").setDatasetId("d2").build();

    // When
    byte[] bytes = keys.serializer().serialize("t", key);

    // Then
    assertThat(HexFormat.of().formatHex(bytes)).isEqualTo("00" + "00000001" + "0273" + "046432");
    assertThat(registry.subjects()).containsExactly("t-key");
    assertThat(registry.schemaById(1)).isEqualTo(LineageKey.getClassSchema());
  }

  @Test
  void readsWhatItWroteWithUuidsAndInstants() {
    // Given
    DeletionRequest request = Events.deletionRequest();

    // When
    DeletionRequest read = read(serde.serializer().serialize(TOPIC, request));

    // Then
    assertThat(read).isEqualTo(request);
    assertThat(read.getRequestId()).isEqualTo(request.getRequestId());
    assertThat(read.getReceivedAt()).isEqualTo("2026-03-01T12:00:00.123456Z");
  }

  @Test
  void passesTombstonesOn() {
    assertThat(serde.serializer().serialize(TOPIC, null)).isNull();
    assertThat(read(null)).isNull();
  }

  @Test
  void worksByClassNameAsKafkaMakesIt() throws Exception {
    // Given
    Serializer<DeletionRequest> serializer =
        Utils.newInstance(AvroSerializer.class.getName(), Serializer.class);
    Deserializer<DeletionRequest> deserializer =
        Utils.newInstance(AvroDeserializer.class.getName(), Deserializer.class);
    serializer.configure(properties, false);
    deserializer.configure(properties, false);

    // When
    DeletionRequest read =
        deserializer.deserialize(TOPIC, serializer.serialize(TOPIC, Events.deletionRequest()));

    // Then
    assertThat(read).isEqualTo(Events.deletionRequest());
  }

  @Test
  void readsAnOlderAndANewerWritersRecord() throws Exception {
    // Given: a version before regulation, dueAt and commands, and one with a field that this one
    // does not know
    Schema own = DeletionRequest.getClassSchema();
    Schema older = without(own, "regulation", "dueAt", "command", "reason");
    Schema newer = with(own, "ticket");

    // When
    DeletionRequest fromOlder = read(write(older));
    DeletionRequest fromNewer = read(write(newer));

    // Then
    assertThat(fromOlder.getRegulation().toString()).isEqualTo("OTHER");
    assertThat(fromOlder.getDueAt()).isEmpty();
    assertThat(fromOlder.getCommand().toString()).isEqualTo("ERASE");
    assertThat(fromOlder.getModels()).containsExactly("mnist-cnn");
    assertThat(fromNewer).isEqualTo(Events.deletionRequest());
  }

  @Test
  void readsAWriterThatKnowsNothingOfJava() throws Exception {
    // Given: the schema as a Python producer has it
    String own = DeletionRequest.getClassSchema().toString();
    String plain =
        own.replace("\"avro.java.string\":\"String\",", "")
            .replace(",\"avro.java.string\":\"String\"", "");
    assertThat(plain).isNotEqualTo(own).doesNotContain("java");

    // When
    DeletionRequest read = read(write(new Schema.Parser().parse(plain)));

    // Then
    assertThat(read).isEqualTo(Events.deletionRequest());
    assertThat(read.getModels().get(0)).isInstanceOf(String.class);
  }

  @Test
  void withoutAutoRegistrationAnUnregisteredSchemaIsAnError() {
    // Given
    serde.configure(
        Map.of(
            "schema.registry.url",
            properties.get("schema.registry.url"),
            "auto.register.schemas",
            "false"),
        false);

    // When, Then
    assertThatThrownBy(() -> serde.serializer().serialize(TOPIC, Events.deletionRequest()))
        .isInstanceOf(SchemaRegistryException.class)
        .hasMessageContaining("subject not found");
    assertThat(registry.subjects()).isEmpty();
  }

  @Test
  void writesWithTheLatestVersionWhereAsked() {
    // Given
    Schema newer = with(DeletionRequest.getClassSchema(), "ticket");
    registry.register(TOPIC + "-value", newer);
    AvroSerde<DeletionRequest> latest =
        AvroSerde.of(
            DeletionRequest.class,
            Map.of(
                "schema.registry.url", properties.get("schema.registry.url"),
                "auto.register.schemas", false,
                "use.latest.version", true),
            false);

    // When
    byte[] bytes = latest.serializer().serialize(TOPIC, Events.deletionRequest());

    // Then
    assertThat(registry.versions(TOPIC + "-value")).containsExactly(1);
    assertThat(bytes)
        .hasSize(serde.serializer().serialize("other", Events.deletionRequest()).length + 1);
    assertThat(read(bytes)).isEqualTo(Events.deletionRequest());
  }

  @Test
  void refusesALatestVersionThatCannotHoldTheRecord() {
    // Given
    registry.register(TOPIC + "-value", LineageKey.getClassSchema());
    AvroSerde<DeletionRequest> latest =
        AvroSerde.of(
            DeletionRequest.class,
            Map.of(
                "schema.registry.url", properties.get("schema.registry.url"),
                "auto.register.schemas", false,
                "use.latest.version", true),
            false);

    // When, Then
    assertThatThrownBy(() -> latest.serializer().serialize(TOPIC, Events.deletionRequest()))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("version 1 cannot hold a io.lethe.events.DeletionRequest");
  }

  @ParameterizedTest
  @CsvSource({
    "io.confluent.kafka.serializers.subject.RecordNameStrategy, io.lethe.events.LineageKey",
    "TopicRecordNameStrategy, t-io.lethe.events.LineageKey",
    "io.confluent.kafka.serializers.subject.TopicNameStrategy, t-value"
  })
  void namesSubjectsByStrategy(String strategy, String subject) {
    // Given
    AvroSerde<LineageKey> values =
        AvroSerde.of(
            LineageKey.class,
            Map.of(
                "schema.registry.url",
                properties.get("schema.registry.url"),
                "value.subject.name.strategy",
                strategy),
            false);

    // When
    byte[] bytes = values.serializer().serialize("t", new LineageKey("s", "d"));

    // Then
    assertThat(registry.subjects()).containsExactly(subject);
    assertThat(values.deserializer().deserialize("t", bytes)).isEqualTo(new LineageKey("s", "d"));
  }

  @Test
  void refusesAnUnknownStrategy() {
    assertThatThrownBy(
            () ->
                serde.configure(
                    Map.of("schema.registry.url", "mock://x", "value.subject.name.strategy", "Own"),
                    false))
        .isInstanceOf(ConfigException.class)
        .hasMessageContaining("Own");
  }

  @ParameterizedTest
  @CsvSource({
    "'', 0 bytes are not in the Confluent wire format",
    "00, 1 bytes are not in the Confluent wire format",
    "0100000001, 5 bytes are not in the Confluent wire format",
    "7b2273223a317d, 7 bytes are not in the Confluent wire format",
    "00000001F40273, no schema has the id 500",
  })
  void explainsBytesThatAreNoRecord(String hex, String reason) {
    byte[] bytes = HexFormat.of().parseHex(hex);
    assertThatThrownBy(() -> read(bytes))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining(TOPIC)
        .hasMessageContaining(reason);
  }

  @Test
  void anErrorNeverQuotesAValue() {
    // Given: the requestId's text is no UUID any more, and the rest is cut off
    byte[] bytes = serde.serializer().serialize(TOPIC, Events.deletionRequest());
    byte[] noUuid = bytes.clone();
    noUuid[WireFormat.HEADER_BYTES + 3] = 'x';
    byte[] cut = Arrays.copyOf(bytes, bytes.length - 3);
    byte[] longer = Arrays.copyOf(bytes, bytes.length + 3);

    // When, Then
    assertThatThrownBy(() -> read(noUuid)).satisfies(AvroSerdeTest::isDiscreet);
    assertThatThrownBy(() -> read(cut)).satisfies(AvroSerdeTest::isDiscreet);
    assertThatThrownBy(() -> read(longer))
        .satisfies(AvroSerdeTest::isDiscreet)
        .hasMessageContaining("3 bytes are left over");
  }

  @Test
  void aRecordThatLacksAFieldIsDiscreetToo() {
    // Given
    DeletionRequest incomplete = new DeletionRequest();

    // When, Then
    assertThatThrownBy(() -> serde.serializer().serialize(TOPIC, incomplete))
        .satisfies(AvroSerdeTest::isDiscreet)
        .hasMessageContaining("must not be null");
  }

  @Test
  void aRecordOfAnotherTypeIsRefused() {
    // Given
    AvroSerde<LineageKey> keys = AvroSerde.of(LineageKey.class, properties, false);
    byte[] bytes = keys.serializer().serialize(TOPIC, new LineageKey(Events.SUBJECT, "d"));

    // When, Then
    assertThatThrownBy(() -> read(bytes))
        .satisfies(AvroSerdeTest::isDiscreet)
        .hasMessageContaining("do not fit together");
  }

  @Test
  void hostileLengthsAreNotBelieved() {
    // Given: a schema of one of each, and records that declare more than they hold
    Schema schema =
        SchemaBuilder.record("io.lethe.events.LineageKey")
            .fields()
            .requiredString("subjectId")
            .requiredString("datasetId")
            .name("blob")
            .type()
            .bytesType()
            .noDefault()
            .name("list")
            .type()
            .array()
            .items()
            .longType()
            .noDefault()
            .name("nulls")
            .type()
            .array()
            .items()
            .nullType()
            .noDefault()
            .endRecord();
    int id = registry.register(TOPIC + "-value", schema);
    byte[] header = ByteBuffer.allocate(5).put((byte) 0).putInt(id).array();
    String giga = "feffffff0f"; // 2^31 - 1
    AvroSerde<LineageKey> keys = AvroSerde.of(LineageKey.class, properties, false);

    for (String body :
        new String[] {
          giga,
          "00" + giga,
          "0000" + giga,
          "000000" + giga,
          "00000000" + giga,
          "000000" + "ffffffffffffffffff01",
          "ffffffffffffffffffff",
          "000000" + "03"
        }) {
      ByteArrayOutputStream record = new ByteArrayOutputStream();
      record.writeBytes(header);
      record.writeBytes(HexFormat.of().parseHex(body));

      // When, Then
      assertThatThrownBy(() -> keys.deserializer().deserialize(TOPIC, record.toByteArray()))
          .as(body)
          .isInstanceOf(SerializationException.class);
    }
  }

  @Test
  void anUnconfiguredSerdeSaysSo() {
    try (AvroSerde<DeletionRequest> fresh = AvroSerde.of(DeletionRequest.class)) {
      assertThatThrownBy(() -> fresh.serializer().serialize(TOPIC, Events.deletionRequest()))
          .isInstanceOf(IllegalStateException.class)
          .hasMessageContaining("not configured");
    }
  }

  private static void isDiscreet(Throwable error) {
    assertThat(error).isInstanceOf(SerializationException.class).hasNoCause();
    assertThat(error.getMessage()).doesNotContain(Events.SUBJECT).doesNotContain("5d3b1f0a");
  }

  private DeletionRequest read(byte[] bytes) {
    return serde.deserializer().deserialize(TOPIC, bytes);
  }

  /** The shared request as a writer with that schema writes it. */
  private byte[] write(Schema schema) throws Exception {
    DeletionRequest request = Events.deletionRequest();
    GenericRecord record = new GenericData.Record(schema);
    record.put("requestId", request.getRequestId().toString());
    GenericRecord selector = new GenericData.Record(schema.getField("selector").schema());
    for (Schema.Field field : selector.getSchema().getFields()) {
      selector.put(field.pos(), request.getSelector().get(field.pos()));
    }
    record.put("selector", selector);
    record.put("models", request.getModels());
    long receivedAt = 1772366400123456L;
    record.put("receivedAt", receivedAt);
    if (schema.getField("regulation") != null) {
      record.put("regulation", request.getRegulation());
      record.put("dueAt", 1775044800000000L);
    }
    if (schema.getField("command") != null) {
      record.put("command", request.getCommand());
    }
    if (schema.getField("ticket") != null) {
      record.put("ticket", "T-1");
    }
    int id = registry.register(TOPIC + "-value", schema);
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.writeBytes(WireFormat.header(id));
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
    encoder.flush();
    return out.toByteArray();
  }

  private static Schema without(Schema schema, String... names) {
    Schema copy = Schema.createRecord(schema.getName(), null, schema.getNamespace(), false);
    copy.setFields(
        schema.getFields().stream()
            .filter(field -> !Arrays.asList(names).contains(field.name()))
            .map(field -> new Schema.Field(field, field.schema()))
            .toList());
    return copy;
  }

  private static Schema with(Schema schema, String name) {
    Schema copy = Schema.createRecord(schema.getName(), null, schema.getNamespace(), false);
    Schema.Field added =
        new Schema.Field(name, Schema.create(Schema.Type.STRING), "Added later.", "");
    copy.setFields(
        Stream.concat(
                Stream.of(added),
                schema.getFields().stream().map(field -> new Schema.Field(field, field.schema())))
            .toList());
    return copy;
  }
}
