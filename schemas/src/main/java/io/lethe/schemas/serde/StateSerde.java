package io.lethe.schemas.serde;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.io.DatumReader;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Avro records of state stores and internal topics, in Avro's single-object encoding: C3 01, the
 * schema's CRC-64-AVRO fingerprint in little-endian order, the binary encoding. Thread-safe; holds
 * nothing to close.
 *
 * <p>RATIONALE: not {@link AvroSerde}, so that a store can be read and restored while the registry
 * is away. Not Avro's {@code BinaryMessageDecoder}, whose decoder believes hostile lengths.
 *
 * <p>Reads what the generated class and its {@linkplain ReleasedSchemas released schemas} wrote.
 */
public final class StateSerde<T extends SpecificRecord> implements Serde<T> {
  private static final byte MARKER_0 = (byte) 0xC3;
  private static final byte MARKER_1 = 0x01;
  private static final int HEADER_BYTES = 2 + Long.BYTES;

  private final String name;
  private final byte[] header;
  private final DatumWriter<T> writer;
  private final Map<Long, DatumReader<T>> readers = new ConcurrentHashMap<>();

  private StateSerde(Class<T> type, List<Schema> earlier) {
    Schema own = SpecificData.get().getSchema(type);
    long fingerprint = SchemaNormalization.parsingFingerprint64(own);
    this.name = own.getFullName();
    this.header =
        ByteBuffer.allocate(HEADER_BYTES)
            .order(ByteOrder.LITTLE_ENDIAN)
            .put(MARKER_0)
            .put(MARKER_1)
            .putLong(fingerprint)
            .array();
    this.writer = DatumCodec.writer(own);
    for (Schema released : earlier) {
      readers.put(
          SchemaNormalization.parsingFingerprint64(released),
          new SpecificDatumReader<>(released, own));
    }
    readers.put(fingerprint, new SpecificDatumReader<>(own));
  }

  public static <T extends SpecificRecord> StateSerde<T> of(Class<T> type) {
    return of(type, ReleasedSchemas.of(SpecificData.get().getSchema(type).getFullName()));
  }

  static <T extends SpecificRecord> StateSerde<T> of(Class<T> type, List<Schema> earlier) {
    return new StateSerde<>(type, earlier);
  }

  @Override
  public Serializer<T> serializer() {
    return (topic, record) -> record == null ? null : serialize(record);
  }

  @Override
  public Deserializer<T> deserializer() {
    return (topic, data) -> data == null ? null : deserialize(data);
  }

  private byte[] serialize(T record) {
    BytesEncoder out = new BytesEncoder();
    out.writeFixed(header, 0, HEADER_BYTES);
    DatumCodec.write(writer, record, out, "A state of type " + name);
    return out.toByteArray();
  }

  private T deserialize(byte[] data) {
    if (data.length < HEADER_BYTES || data[0] != MARKER_0 || data[1] != MARKER_1) {
      throw new SerializationException(
          "A state of type " + name + " cannot be read: it is not in single-object encoding");
    }
    long fingerprint = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).getLong(2);
    DatumReader<T> reader = readers.get(fingerprint);
    if (reader == null) {
      throw new SerializationException(
          String.format(
              "A state of type %s cannot be read: no released schema has fingerprint %016x;"
                  + " was it written by a newer version?",
              name, fingerprint));
    }
    return DatumCodec.read(reader, data, HEADER_BYTES, "A state of type " + name);
  }
}
