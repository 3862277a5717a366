package io.lethe.schemas.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.message.BinaryMessageEncoder;
import org.apache.kafka.common.errors.SerializationException;
import org.junit.jupiter.api.Test;

class StateSerdeTest {
  private final StateSerde<DeletionRequest> serde = StateSerde.of(DeletionRequest.class);

  @Test
  void writesAvrosSingleObjectEncoding() throws Exception {
    // Given
    DeletionRequest request = Events.deletionRequest();

    // When
    byte[] bytes = serde.serializer().serialize("store", request);

    // Then: as Avro's own encoder, and back
    assertThat(bytes).startsWith(0xC3, 0x01).isEqualTo(request.toByteBuffer().array());
    assertThat(serde.deserializer().deserialize("store", bytes)).isEqualTo(request);
  }

  @Test
  void passesNullOn() {
    assertThat(serde.serializer().serialize("store", null)).isNull();
    assertThat(serde.deserializer().deserialize("store", null)).isNull();
  }

  @Test
  void readsWhatAReleasedSchemaWrote() throws Exception {
    // Given: a release whose keys had one field more and these two the other way round
    Schema released =
        SchemaBuilder.record("io.lethe.events.LineageKey")
            .fields()
            .requiredString("datasetId")
            .requiredLong("since")
            .requiredString("subjectId")
            .endRecord();
    GenericRecord old =
        new GenericRecordBuilder(released)
            .set("datasetId", "d")
            .set("since", 5L)
            .set("subjectId", "s")
            .build();
    ByteBuffer bytes =
        new BinaryMessageEncoder<GenericRecord>(GenericData.get(), released).encode(old);

    // When
    LineageKey read =
        StateSerde.of(LineageKey.class, List.of(released))
            .deserializer()
            .deserialize("store", bytes.array());

    // Then
    assertThat(read).isEqualTo(new LineageKey("s", "d"));
  }

  @Test
  void refusesOtherBytesOtherSchemasAndCutRecords() {
    byte[] foreign =
        StateSerde.of(LineageKey.class).serializer().serialize("store", new LineageKey("s", "d"));
    byte[] bytes = serde.serializer().serialize("store", Events.deletionRequest());

    assertThatThrownBy(() -> serde.deserializer().deserialize("store", new byte[] {0, 0, 0, 0, 1}))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("not in single-object encoding");
    assertThatThrownBy(() -> serde.deserializer().deserialize("store", foreign))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("no released schema has fingerprint");
    assertThatThrownBy(
            () -> serde.deserializer().deserialize("store", Arrays.copyOf(bytes, bytes.length - 1)))
        .isInstanceOf(SerializationException.class)
        .hasMessageContaining("ends too early");
  }
}
