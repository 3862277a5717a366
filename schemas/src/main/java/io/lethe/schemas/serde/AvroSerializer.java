package io.lethe.schemas.serde;

import io.lethe.schemas.client.RegisteredSchema;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import java.io.IOException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaCompatibilityType;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.DatumWriter;
import org.apache.avro.io.Encoder;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Writes Avro records in the Confluent wire format. Configured like Confluent's {@code
 * KafkaAvroSerializer}, see {@link AvroSerde}. Thread-safe once configured, as a shared producer
 * needs.
 *
 * <p>Throws {@link SerializationException} where the record is at fault and {@link
 * io.lethe.schemas.client.SchemaRegistryException} where the registry refuses or is away.
 */
public final class AvroSerializer<T extends SpecificRecord> implements Serializer<T> {
  private final Map<TopicSchema, Target> targets = new ConcurrentHashMap<>();
  private SchemaRegistryClient registry;
  private AvroSerdeConfig config;

  private record TopicSchema(String topic, Schema schema) {}

  /** How records of one schema are written to one topic. */
  private record Target(int schemaId, DatumWriter<SpecificRecord> writer) {}

  /** For Kafka, which configures it next. */
  public AvroSerializer() {}

  AvroSerializer(SchemaRegistryClient registry) {
    this.registry = registry;
  }

  @Override
  public void configure(Map<String, ?> properties, boolean isKey) {
    config = AvroSerdeConfig.from(properties, isKey);
    if (registry == null) {
      registry = SchemaRegistryClients.open(properties);
    }
  }

  @Override
  public byte[] serialize(String topic, T record) {
    if (record == null) {
      return null;
    }
    Target target = target(topic, record.getSchema());
    BytesEncoder out = new BytesEncoder();
    out.writeFixed(WireFormat.header(target.schemaId()), 0, WireFormat.HEADER_BYTES);
    DatumCodec.write(target.writer(), record, out, "Topic " + topic + ": the record");
    return out.toByteArray();
  }

  private Target target(String topic, Schema schema) {
    if (config == null) {
      throw new IllegalStateException("AvroSerializer is not configured");
    }
    TopicSchema key = new TopicSchema(topic, schema);
    Target target = targets.get(key);
    if (target == null) {
      target = resolve(config.subjects().subject(topic, config.isKey(), schema), schema);
      targets.put(key, target);
    }
    return target;
  }

  private Target resolve(String subject, Schema schema) {
    if (config.useLatest()) {
      return latest(subject, schema);
    }
    int id =
        config.autoRegister() ? registry.register(subject, schema) : registry.idOf(subject, schema);
    return new Target(id, DatumCodec.writer(schema));
  }

  private Target latest(String subject, Schema schema) {
    RegisteredSchema latest = registry.latest(subject);
    if (latest.schema().equals(schema)) {
      return new Target(latest.id(), DatumCodec.writer(schema));
    }
    if (config.latestStrict()
        && SchemaCompatibility.checkReaderWriterCompatibility(latest.schema(), schema).getType()
            != SchemaCompatibilityType.COMPATIBLE) {
      throw new SerializationException(
          "Subject "
              + subject
              + ": version "
              + latest.version()
              + " cannot hold a "
              + schema.getFullName()
              + " (latest.compatibility.strict)");
    }
    return new Target(latest.id(), new ProjectingWriter(schema, latest.schema()));
  }

  /**
   * Writes a record with another schema than its own, by Avro's resolution rules. Slow: each record
   * passes through its own encoding. (Confluent's serializer writes by position and needs equal
   * field order.)
   */
  private static final class ProjectingWriter implements DatumWriter<SpecificRecord> {
    private final Schema own;
    private final Schema target;

    ProjectingWriter(Schema own, Schema target) {
      this.own = own;
      this.target = target;
    }

    @Override
    public void setSchema(Schema schema) {
      throw new UnsupportedOperationException();
    }

    @Override
    public void write(SpecificRecord record, Encoder encoder) throws IOException {
      BytesEncoder out = new BytesEncoder();
      DatumCodec.write(DatumCodec.writer(own), record, out, "The record");
      Object projected =
          new GenericDatumReader<>(own, target)
              .read(null, new BoundedDecoder(out.toByteArray(), 0));
      new GenericDatumWriter<>(target).write(projected, encoder);
    }
  }

  @Override
  public void close() {
    if (registry != null) {
      registry.close();
    }
  }
}
