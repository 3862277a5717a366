package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
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
import io.lethe.schemas.serde.EventSerdes;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Our serde beside the genuine serializer and deserializer of Confluent, on one registry: same
 * bytes, same subjects, and each reads what the other wrote.
 */
abstract class SerdeInteropContract {
  private static final int SAMPLES = 50;

  abstract String registryUrl();

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
  void theirsTakesThePlaceOfOursByClassName() {
    // Given
    Map<String, Object> settings =
        settings(
            Map.of(
                EventSerdes.SERIALIZER, KafkaAvroSerializer.class.getName(),
                EventSerdes.DESERIALIZER, KafkaAvroDeserializer.class.getName()));
    DeletionRequest event = new RandomEvents(3).next(DeletionRequest.class);
    try (Serde<DeletionRequest> theirs = EventSerdes.of(DeletionRequest.class, settings, false);
        Serde<LineageKey> others = EventSerdes.of(LineageKey.class, settings, false);
        Serde<DeletionRequest> ours =
            EventSerdes.of(DeletionRequest.class, settings(Map.of()), false)) {
      // When
      byte[] bytes = theirs.serializer().serialize("by-name", event);

      // Then
      assertThat(theirs.deserializer().deserialize("by-name", bytes)).isEqualTo(event);
      assertThat(ours.deserializer().deserialize("by-name", bytes)).isEqualTo(event);
      assertThat(ours).isInstanceOf(AvroSerde.class);
      assertThatThrownBy(() -> others.deserializer().deserialize("by-name", bytes))
          .isInstanceOf(SerializationException.class)
          .hasMessageContaining("a record is no io.lethe.events.LineageKey");
    }
  }

  @Test
  void bothFindANormalizedSchema() {
    // Given
    Map<String, Object> settings = settings(Map.of("normalize.schemas", true));
    try (AvroSerde<LineageKey> ours = AvroSerde.of(LineageKey.class, settings, false);
        KafkaAvroSerializer theirs = new KafkaAvroSerializer()) {
      theirs.configure(settings, false);
      LineageKey event = new LineageKey("s", "d");

      // When
      byte[] their = theirs.serialize("normalized", event);
      byte[] our = ours.serializer().serialize("normalized", event);

      // Then
      assertThat(our).isEqualTo(their);
      assertThat(ours.deserializer().deserialize("normalized", their)).isEqualTo(event);
    }
  }

  @Test
  void theirReaderReadsWhatWeWroteWithTheLatestVersion() {
    // Given: a version with a field more, which our classes do not have
    Schema latest =
        new Schema.Parser()
            .parse(
                LineageKey.getClassSchema()
                    .toString()
                    .replaceFirst(
                        "]}$", ",{\"name\":\"since\",\"type\":\"long\",\"default\":7}]}"));
    Map<String, Object> settings =
        settings(Map.of("auto.register.schemas", false, "use.latest.version", true));
    try (AvroSerde<LineageKey> ours = AvroSerde.of(LineageKey.class, settings, false);
        SchemaRegistryClient client = SchemaRegistryClients.open(settings);
        KafkaAvroDeserializer theirs = new KafkaAvroDeserializer()) {
      theirs.configure(settings, false);
      client.register("latest-value", LineageKey.getClassSchema());
      client.register("latest-value", latest);

      // When
      byte[] bytes = ours.serializer().serialize("latest", new LineageKey("s", "d"));

      // Then
      assertThat(((GenericRecord) theirs.deserialize("latest", bytes)).get("since")).isEqualTo(7L);
      assertThat(ours.deserializer().deserialize("latest", bytes))
          .isEqualTo(new LineageKey("s", "d"));
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

  private Map<String, Object> settings(Map<String, Object> more) {
    Map<String, Object> settings = new HashMap<>(more);
    settings.put("schema.registry.url", registryUrl());
    return settings;
  }
}
