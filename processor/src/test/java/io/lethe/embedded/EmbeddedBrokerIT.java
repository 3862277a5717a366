package io.lethe.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedBrokerIT {
  @TempDir Path directory;

  @Test
  void keepsTopicsAndRecordsOverARestart() throws Exception {
    // Given
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {
      Clients.createTopic(broker, "t", Map.of());
      Clients.send(broker, "t", "k", "v");
    }

    // When
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory, 0)) {

      // Then
      assertThat(Clients.readAll(broker, "t")).containsExactly("v");
    }
  }
}
