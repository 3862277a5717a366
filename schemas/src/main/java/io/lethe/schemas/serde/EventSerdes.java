package io.lethe.schemas.serde;

import java.util.HashMap;
import java.util.Map;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Utils;

/**
 * Serdes of events by class name, so that another implementation of the Confluent wire format can
 * take the place of ours: {@value #SERIALIZER} and {@value #DESERIALIZER}, default {@link
 * AvroSerializer} and {@link AvroDeserializer}.
 */
public final class EventSerdes {
  public static final String SERIALIZER = "event.serializer";
  public static final String DESERIALIZER = "event.deserializer";

  private EventSerdes() {}

  /** A serde of one type, ready for use; the caller closes it. */
  public static <T extends SpecificRecord> Serde<T> of(
      Class<T> type, Map<String, ?> properties, boolean isKey) {
    if (!properties.containsKey(SERIALIZER) && !properties.containsKey(DESERIALIZER)) {
      return AvroSerde.of(type, properties, isKey);
    }
    Map<String, Object> settings = new HashMap<>(properties);
    // Without it Confluent's deserializer reads generic records.
    settings.put("specific.avro.reader", true);
    Serializer<T> serializer =
        instance(settings, SERIALIZER, AvroSerializer.class, Serializer.class);
    Deserializer<?> deserializer =
        instance(settings, DESERIALIZER, AvroDeserializer.class, Deserializer.class);
    serializer.configure(settings, isKey);
    deserializer.configure(settings, isKey);
    return Serdes.serdeFrom(serializer, checked(type, deserializer));
  }

  // A class name has no type parameter; what comes out is checked below.
  @SuppressWarnings("unchecked")
  private static <C> C instance(
      Map<String, ?> settings, String name, Class<?> otherwise, Class<? super C> type) {
    Object setting = settings.containsKey(name) ? settings.get(name) : otherwise.getName();
    try {
      return (C) Utils.newInstance(setting.toString(), type);
    } catch (ClassNotFoundException | RuntimeException e) {
      throw new ConfigException(name, setting, "no usable " + type.getSimpleName());
    }
  }

  private static <T> Deserializer<T> checked(Class<T> type, Deserializer<?> deserializer) {
    return new Deserializer<>() {
      @Override
      public T deserialize(String topic, byte[] data) {
        Object record = deserializer.deserialize(topic, data);
        if (record != null && !type.isInstance(record)) {
          throw new SerializationException("Topic " + topic + ": a record is no " + type.getName());
        }
        return type.cast(record);
      }

      @Override
      public void close() {
        deserializer.close();
      }
    };
  }
}
