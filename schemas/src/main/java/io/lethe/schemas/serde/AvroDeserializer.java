package io.lethe.schemas.serde;

import io.lethe.schemas.client.RegistryError;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import io.lethe.schemas.client.SchemaRegistryException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.io.DatumReader;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;

/**
 * Reads Avro records in the Confluent wire format, whatever registered schema they were written
 * with, into the generated class. Configured like Confluent's {@code KafkaAvroDeserializer}, see
 * {@link AvroSerde}.
 *
 * <p>{@link SerializationException} means that these bytes are no such record and never will be: a
 * dead letter. {@link SchemaRegistryException} means that the registry could not be asked: the same
 * bytes may be readable later.
 */
public final class AvroDeserializer<T extends SpecificRecord> implements Deserializer<T> {
  private final Map<Integer, DatumReader<T>> readers = new ConcurrentHashMap<>();
  private final Schema fixedType;
  private SchemaRegistryClient registry;

  /**
   * For Kafka, which configures it next. The type is that of the writer's record, by its full name.
   */
  public AvroDeserializer() {
    this.fixedType = null;
  }

  AvroDeserializer(Class<T> type, SchemaRegistryClient registry) {
    this.fixedType = type == null ? null : SpecificData.get().getSchema(type);
    this.registry = registry;
  }

  @Override
  public void configure(Map<String, ?> properties, boolean isKey) {
    if (registry == null) {
      registry = SchemaRegistryClients.open(properties);
    }
  }

  @Override
  public T deserialize(String topic, byte[] data) {
    if (data == null) {
      return null;
    }
    if (registry == null) {
      throw new IllegalStateException("AvroDeserializer is not configured");
    }
    if (!WireFormat.hasHeader(data)) {
      throw new SerializationException(
          "Topic " + topic + ": " + data.length + " bytes are not in the Confluent wire format");
    }
    int id = WireFormat.schemaId(data);
    DatumReader<T> reader = readers.get(id);
    if (reader == null) {
      reader = reader(topic, id);
      readers.put(id, reader);
    }
    String what = "Topic " + topic + ": a record of schema " + id;
    return DatumCodec.read(reader, data, WireFormat.HEADER_BYTES, what);
  }

  private DatumReader<T> reader(String topic, int id) {
    Schema writer;
    try {
      writer = registry.schemaById(id);
    } catch (SchemaRegistryException e) {
      // Not any 404: a wrong URL must not turn every record into a dead letter.
      if (e.error() == RegistryError.SCHEMA_NOT_FOUND) {
        throw new SerializationException("Topic " + topic + ": no schema has the id " + id, e);
      }
      throw e;
    }
    return new SpecificDatumReader<>(writer, readerSchema(topic, id, writer));
  }

  private Schema readerSchema(String topic, int id, Schema writer) {
    if (fixedType != null) {
      return fixedType;
    }
    Class<?> type =
        writer.getType() == Schema.Type.RECORD ? SpecificData.get().getClass(writer) : null;
    if (type == null || !SpecificRecord.class.isAssignableFrom(type)) {
      throw new SerializationException(
          "Topic "
              + topic
              + ": schema "
              + id
              + " ("
              + writer.getFullName()
              + ") has no class here");
    }
    return SpecificData.get().getSchema(type);
  }

  @Override
  public void close() {
    if (registry != null) {
      registry.close();
    }
  }
}
