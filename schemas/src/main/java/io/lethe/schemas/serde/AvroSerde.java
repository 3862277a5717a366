package io.lethe.schemas.serde;

import io.lethe.schemas.client.SchemaRegistryClient;
import java.util.Map;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/**
 * Avro records of topics that others read and write: the Confluent wire format with schemas in a
 * registry.
 *
 * <p>Configured by Confluent's settings ({@code schema.registry.url}, {@code
 * auto.register.schemas}, …; see {@link io.lethe.schemas.client.RegistryClientConfig} and {@code
 * AvroSerdeConfig}), so that Confluent's own serde can take its place by class name. {@code
 * schema.registry.url=mock://scope} needs no registry.
 */
public final class AvroSerde<T extends SpecificRecord> implements Serde<T> {
  private final Serializer<T> serializer;
  private final Deserializer<T> deserializer;

  /** For Kafka, which configures it next. Reads each record into the class of its full name. */
  public AvroSerde() {
    this(null, null);
  }

  private AvroSerde(Class<T> type, SchemaRegistryClient registry) {
    this.serializer = new AvroSerializer<>(registry);
    this.deserializer = new AvroDeserializer<>(type, registry);
  }

  /** A serde of one type; {@link #configure} it before use. */
  public static <T extends SpecificRecord> AvroSerde<T> of(Class<T> type) {
    return new AvroSerde<>(type, null);
  }

  /**
   * A serde of one type on a client of the caller's, which the serde closes; {@link #configure} it
   * before use.
   */
  public static <T extends SpecificRecord> AvroSerde<T> of(
      Class<T> type, SchemaRegistryClient registry) {
    return new AvroSerde<>(type, registry);
  }

  /** A serde of one type, ready for use. */
  public static <T extends SpecificRecord> AvroSerde<T> of(
      Class<T> type, Map<String, ?> properties, boolean isKey) {
    AvroSerde<T> serde = of(type);
    serde.configure(properties, isKey);
    return serde;
  }

  @Override
  public void configure(Map<String, ?> properties, boolean isKey) {
    serializer.configure(properties, isKey);
    deserializer.configure(properties, isKey);
  }

  @Override
  public Serializer<T> serializer() {
    return serializer;
  }

  @Override
  public Deserializer<T> deserializer() {
    return deserializer;
  }

  @Override
  public void close() {
    serializer.close();
    deserializer.close();
  }
}
