package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.events.FisherKey;
import io.lethe.events.LineageKey;
import io.lethe.schemas.client.SchemaRegistryException;
import io.lethe.schemas.client.SchemaRegistryUnavailableException;
import io.lethe.schemas.serde.AvroSerde;
import java.nio.file.Path;
import java.util.Map;
import org.apache.kafka.common.errors.SerializationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RegistryOutageIT {
  @TempDir Path directory;

  @Test
  void aWrongUrlIsNotTakenForABadRecord() {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
        AvroSerde<LineageKey> wrong =
            AvroSerde.of(
                LineageKey.class, Map.of("schema.registry.url", registry.url() + "/api"), false);
        AvroSerde<LineageKey> right =
            AvroSerde.of(LineageKey.class, Map.of("schema.registry.url", registry.url()), false)) {
      // Given
      byte[] bytes = right.serializer().serialize("t", new LineageKey("s", "d"));
      byte[] unknown = bytes.clone();
      unknown[4] = 77;

      // When, Then
      assertThatThrownBy(() -> wrong.deserializer().deserialize("t", bytes))
          .isInstanceOf(SchemaRegistryException.class)
          .hasMessageContaining("GET /schemas/ids/1: not found (HTTP 404)");
      assertThatThrownBy(() -> right.deserializer().deserialize("t", unknown))
          .isInstanceOf(SerializationException.class)
          .hasMessage("Topic t: no schema has the id 77");
    }
  }

  @Test
  void cachedSchemasWorkOnWithoutTheRegistryAndTheRestResumesWithIt() {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      // Given: two types, of which these serdes have seen one
      EmbeddedSchemaRegistry first = EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
      int port = first.port();
      Map<String, Object> settings =
          Map.of("schema.registry.url", first.url(), "max.retries", 1, "retries.wait.ms", 1);
      LineageKey known = new LineageKey("s", "d");
      FisherKey unknown = new FisherKey("m", "a", "t", 0);
      byte[] unknownBytes;
      // A cache of its own, by its settings.
      try (AvroSerde<FisherKey> other =
          AvroSerde.of(FisherKey.class, Map.of("schema.registry.url", first.url()), false)) {
        unknownBytes = other.serializer().serialize("unknown", unknown);
      }
      try (AvroSerde<LineageKey> knownSerde = AvroSerde.of(LineageKey.class, settings, false);
          AvroSerde<FisherKey> unknownSerde = AvroSerde.of(FisherKey.class, settings, false)) {
        byte[] knownBytes = knownSerde.serializer().serialize("known", known);
        assertThat(knownSerde.deserializer().deserialize("known", knownBytes)).isEqualTo(known);

        // When: it goes away
        first.close();

        // Then: and an outage is not taken for a bad record
        assertThat(knownSerde.serializer().serialize("known", known)).isEqualTo(knownBytes);
        assertThat(knownSerde.deserializer().deserialize("known", knownBytes)).isEqualTo(known);
        assertThatThrownBy(() -> unknownSerde.deserializer().deserialize("unknown", unknownBytes))
            .isInstanceOf(SchemaRegistryUnavailableException.class);
        assertThatThrownBy(() -> unknownSerde.serializer().serialize("unknown", unknown))
            .isInstanceOf(SchemaRegistryUnavailableException.class);

        // And: it comes back
        try (EmbeddedSchemaRegistry again =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), port)) {
          assertThat(again.port()).isEqualTo(port);
          assertThat(unknownSerde.deserializer().deserialize("unknown", unknownBytes))
              .isEqualTo(unknown);
          assertThat(unknownSerde.serializer().serialize("unknown", unknown))
              .isEqualTo(unknownBytes);
        }
      }
    }
  }
}
