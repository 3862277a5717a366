package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.embedded.EmbeddedException;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.schemas.client.CompatibilityLevel;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class DurabilityIT {
  @TempDir Path directory;

  @Test
  void aKilledStackComesBackWithItsTopicsAndSchemas() throws Exception {
    // Given
    int requests;
    int keys;
    try (EmbeddedStack stack = EmbeddedStack.start(directory);
        SchemaRegistryClient client =
            SchemaRegistryClients.open(Map.of("schema.registry.url", stack.registryUrl()));
        Admin admin = Admin.create(Map.of("bootstrap.servers", stack.bootstrapServers()))) {
      admin.createTopics(List.of(new NewTopic("kept", 2, (short) 1))).all().get();
      requests = client.register("requests-value", DeletionRequest.getClassSchema());
      client.setCompatibility("requests-value", CompatibilityLevel.FULL_TRANSITIVE);
      keys = client.register("lineage-key", LineageKey.getClassSchema());
    } // killed here, while its clients are connected

    // When
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
        SchemaRegistryClient client =
            SchemaRegistryClients.open(Map.of("schema.registry.url", registry.url()));
        Admin admin = Admin.create(Map.of("bootstrap.servers", broker.bootstrapServers()))) {

      // Then
      assertThat(admin.listTopics().names().get()).contains("kept", "_schemas");
      assertThat(client.schemaById(requests)).isEqualTo(DeletionRequest.getClassSchema());
      assertThat(client.register("lineage-key", LineageKey.getClassSchema())).isEqualTo(keys);
      assertThat(client.compatibility("requests-value"))
          .isEqualTo(CompatibilityLevel.FULL_TRANSITIVE);
    }
  }

  @Test
  void aSecondProcessIsKeptOutAndTheFirstGoesOn() throws Exception {
    try (EmbeddedStack first = EmbeddedStack.start(directory)) {
      // When
      assertThatThrownBy(() -> EmbeddedBroker.start(directory, 0))

          // Then
          .isInstanceOf(EmbeddedException.class)
          .hasMessage("Directory %s is in use by process %d", directory, first.pid());
      try (SchemaRegistryClient client =
          SchemaRegistryClients.open(Map.of("schema.registry.url", first.registryUrl()))) {
        assertThat(client.register("s", LineageKey.getClassSchema())).isEqualTo(1);
      }
    }
  }
}
