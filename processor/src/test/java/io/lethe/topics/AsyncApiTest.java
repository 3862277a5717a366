package io.lethe.topics;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class AsyncApiTest {
  private static final Path DOCUMENT = Path.of("../docs/asyncapi.yaml");

  @Test
  void theCheckedInDocumentIsThatOfTheTopicsAndSchemas() throws IOException {
    // When
    String generated = AsyncApi.yaml();

    // Then
    if (Boolean.getBoolean("lethe.update-snapshots")) {
      Files.writeString(DOCUMENT, generated);
    }
    assertThat(generated)
        .as("a topic or a schema changed: -Dlethe.update-snapshots=true writes %s anew", DOCUMENT)
        .isEqualTo(Files.readString(DOCUMENT));
  }
}
