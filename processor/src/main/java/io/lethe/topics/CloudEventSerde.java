package io.lethe.topics;

import io.lethe.schemas.client.RegistryClientConfig;
import io.lethe.schemas.serde.EventSerdes;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/**
 * The serde of a topic's values: an event serde, which also writes the headers of the CloudEvents
 * Kafka protocol binding 1.0 in binary mode. Producers and the topology's sinks get them by this
 * alone. Reading needs no header.
 *
 * <p>A tombstone gets none: it is the absence of an event.
 */
final class CloudEventSerde<T extends SpecificRecord> implements Serde<T> {
  private static final String PREFIX = "ce_";
  private static final int WIRE_HEADER_BYTES = 1 + Integer.BYTES;

  private final Class<T> type;
  private final CloudEvent.Attributes<T> attributes;
  private final Serde<T> events;
  private final URI registry;

  private CloudEventSerde(Class<T> type, Serde<T> events, URI registry) {
    this.type = type;
    this.attributes = CloudEvent.attributesOf(type);
    this.events = events;
    this.registry = registry;
  }

  /** A serde of one event type, ready for use, with the given serde and registry settings. */
  static <T extends SpecificRecord> CloudEventSerde<T> of(Class<T> type, Map<String, ?> settings) {
    return new CloudEventSerde<>(
        type,
        EventSerdes.of(type, settings, false),
        RegistryClientConfig.from(settings).endpoints().get(0).uri());
  }

  /** The class of the events. */
  Class<T> type() {
    return type;
  }

  @Override
  public Serializer<T> serializer() {
    return new HeaderWriter();
  }

  @Override
  public Deserializer<T> deserializer() {
    return events.deserializer();
  }

  @Override
  public void close() {
    events.close();
  }

  private final class HeaderWriter implements Serializer<T> {
    private final Serializer<T> serializer = events.serializer();

    @Override
    public byte[] serialize(String topic, T event) {
      return serializer.serialize(topic, event);
    }

    @Override
    public byte[] serialize(String topic, Headers headers, T event) {
      byte[] bytes = serializer.serialize(topic, headers, event);
      if (event != null) {
        write(attributes.of(event), bytes, headers);
      }
      return bytes;
    }

    @Override
    public void close() {
      serializer.close();
    }
  }

  private void write(CloudEvent event, byte[] bytes, Headers headers) {
    set(headers, "content-type", CloudEvent.CONTENT_TYPE);
    set(headers, PREFIX + "specversion", CloudEvent.SPEC_VERSION);
    set(headers, PREFIX + "id", event.id());
    set(headers, PREFIX + "source", event.source());
    set(headers, PREFIX + "type", event.type());
    set(headers, PREFIX + "subject", event.subject());
    if (event.time() != null) {
      set(headers, PREFIX + "time", event.time().toString());
    }
    // Another serializer, by class name, may write another form.
    if (bytes.length >= WIRE_HEADER_BYTES && bytes[0] == 0) {
      int schemaId = ByteBuffer.wrap(bytes).getInt(1);
      set(headers, PREFIX + "dataschema", registry + "/schemas/ids/" + schemaId);
    }
  }

  private static void set(Headers headers, String name, String value) {
    headers.remove(name).add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}
