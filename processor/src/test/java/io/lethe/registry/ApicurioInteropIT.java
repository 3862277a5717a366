package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.lethe.embedded.Loopback;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.schemas.client.CompatibilityLevel;
import io.lethe.schemas.client.RegistryError;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import io.lethe.schemas.client.SchemaRegistryException;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * On a running Apicurio Registry. Only with {@code -Papicurio}, since its server is a download of
 * 142 MB.
 */
@EnabledIfSystemProperty(named = "apicurio.home", matches = ".+")
class ApicurioInteropIT extends SerdeInteropContract {
  @TempDir static Path directory;
  private static Process process;
  private static String url;

  @BeforeAll
  static void start() throws IOException {
    int port = Loopback.claim(0);
    File home = new File(System.getProperty("apicurio.home"));
    File[] jars = home.listFiles((dir, name) -> name.endsWith("-runner.jar"));
    assertThat(jars).hasSize(1);
    process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx384m",
                "-Dquarkus.http.host=" + Loopback.HOST,
                "-Dquarkus.http.port=" + port,
                "-jar",
                jars[0].getPath())
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("log").toFile())
            .start();
    String server = "http://" + Loopback.HOST + ":" + port;
    url = server + "/apis/ccompat/v7";
    await()
        .atMost(Duration.ofSeconds(90))
        .ignoreExceptionsInstanceOf(IOException.class)
        .until(() -> status(server + "/health/ready") == 200);
  }

  @AfterAll
  static void stop() {
    process.destroyForcibly().onExit().join();
  }

  @Override
  String registryUrl() {
    return url;
  }

  @Test
  void ourClientUnderstandsItsAnswersAndRefusals() {
    try (SchemaRegistryClient client =
        SchemaRegistryClients.open(Map.of("schema.registry.url", url))) {
      // Given
      int id = client.register("apicurio", DeletionRequest.getClassSchema());

      // When, Then
      assertThat(client.idOf("apicurio", DeletionRequest.getClassSchema())).isEqualTo(id);
      assertThat(client.schemaById(id)).isEqualTo(DeletionRequest.getClassSchema());
      assertThat(client.latest("apicurio").id()).isEqualTo(id);
      assertThat(client.versions("apicurio")).containsExactly(1);
      assertThat(client.subjects()).contains("apicurio");
      client.setCompatibility("apicurio", CompatibilityLevel.FULL_TRANSITIVE);
      assertThat(client.compatibility("apicurio")).isEqualTo(CompatibilityLevel.FULL_TRANSITIVE);
      assertThat(client.isCompatible("apicurio", LineageKey.getClassSchema())).isFalse();
      refused(
          RegistryError.INCOMPATIBLE_SCHEMA,
          () -> client.register("apicurio", LineageKey.getClassSchema()));
      refused(RegistryError.SCHEMA_NOT_FOUND, () -> client.schemaById(4711));
      refused(RegistryError.SUBJECT_NOT_FOUND, () -> client.latest("absent"));
    }
  }

  private static void refused(RegistryError error, ThrowingCallable call) {
    assertThatThrownBy(call)
        .isInstanceOfSatisfying(
            SchemaRegistryException.class, e -> assertThat(e.error()).isEqualTo(error));
  }

  private static int status(String uri) throws IOException, InterruptedException {
    HttpRequest request = HttpRequest.newBuilder(URI.create(uri)).build();
    return HttpClient.newHttpClient().send(request, BodyHandlers.discarding()).statusCode();
  }
}
