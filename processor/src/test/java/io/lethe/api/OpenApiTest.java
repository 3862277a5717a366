package io.lethe.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class OpenApiTest {
  private static final Path DOCUMENT = Path.of("../docs/openapi.yaml");

  /** The annotation processor writes the document beside the classes that it was made from. */
  @Test
  void theCheckedInDocumentIsThatOfTheControllers() throws IOException {
    // When
    String generated;
    try (InputStream in = V1Controller.class.getResourceAsStream("/META-INF/swagger/openapi.yml")) {
      generated = new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }

    // Then
    if (Boolean.getBoolean("lethe.update-snapshots")) {
      Files.writeString(DOCUMENT, generated);
    }
    assertThat(generated)
        .as("a controller changed: -Dlethe.update-snapshots=true writes %s anew", DOCUMENT)
        .isEqualTo(Files.readString(DOCUMENT));
  }
}
