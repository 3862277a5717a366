package io.lethe.schemas.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.schemas.client.ScriptedRegistry.Answer;
import io.lethe.schemas.client.ScriptedRegistry.Request;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class SchemaRegistryClientIT {
  private static final Schema INT = Schema.create(Schema.Type.INT);
  private static final Answer ID_7 = new Answer(200, "{\"id\":7,\"version\":1,\"extra\":{}}");
  private static final Answer INT_SCHEMA =
      new Answer(200, "{\"schema\":\"\\\"int\\\"\",\"maxId\":9,\"guid\":\"g\"}");

  @Test
  void asksOncePerIdAndPerSubjectAndSchema() throws Exception {
    try (ScriptedRegistry registry = new ScriptedRegistry(ID_7, INT_SCHEMA);
        SchemaRegistryClient client = client(registry.url())) {
      // When
      assertThat(client.register("a b/c", INT)).isEqualTo(7);
      assertThat(client.register("a b/c", INT)).isEqualTo(7);
      assertThat(client.schemaById(7)).isEqualTo(INT);
      assertThat(client.schemaById(7)).isEqualTo(INT);

      // Then
      assertThat(registry.requests())
          .extracting(Request::line)
          .containsExactly("POST /subjects/a%20b%2Fc/versions", "GET /schemas/ids/7");
      assertThat(registry.requests().get(0).body()).isEqualTo("{\"schema\":\"\\\"int\\\"\"}");
      assertThat(registry.requests().get(0).headers().get("Content-type"))
          .containsExactly("application/vnd.schemaregistry.v1+json");
    }
  }

  @Test
  void retriesWhatMayPassAndNothingElse() throws Exception {
    Answer busy = new Answer(429, "{\"error_code\":429,\"message\":\"later\"}");
    Answer failing = new Answer(503, "<html>no JSON</html>");
    try (ScriptedRegistry registry = new ScriptedRegistry(busy, failing, INT_SCHEMA);
        SchemaRegistryClient client = client(registry.url())) {
      assertThat(client.schemaById(1)).isEqualTo(INT);
      assertThat(registry.requests()).hasSize(3);
    }
    try (ScriptedRegistry registry = new ScriptedRegistry(new Answer(401, ""), INT_SCHEMA);
        SchemaRegistryClient client = client(registry.url())) {
      assertThatThrownBy(() -> client.schemaById(1))
          .isInstanceOf(SchemaRegistryException.class)
          .isNotInstanceOf(SchemaRegistryUnavailableException.class)
          .hasMessageContaining("not authenticated (HTTP 401)");
      assertThat(registry.requests()).hasSize(1);
    }
  }

  @Test
  void givesUpInTheEndAndSaysWhatWasWrong() throws Exception {
    Answer failing = new Answer(500, "{\"error_code\":50001,\"message\":\"Kafka\\nis away\"}");
    try (ScriptedRegistry registry = new ScriptedRegistry(failing);
        SchemaRegistryClient client = client(registry.url())) {
      assertThatThrownBy(() -> client.schemaById(1))
          .isInstanceOf(SchemaRegistryUnavailableException.class)
          .hasMessage(
              "Schema registry %s: GET /schemas/ids/1: the registry's store failed"
                  + " (HTTP 500, code 50001): Kafka is away",
              registry.url());
      assertThat(registry.requests()).hasSize(4);
    }
  }

  @Test
  void failsOverToTheNextUrlAndStaysThere() throws Exception {
    try (ScriptedRegistry registry = new ScriptedRegistry(INT_SCHEMA);
        SchemaRegistryClient client =
            client("http://localhost:" + closedPort() + ", " + registry.url() + "/")) {
      assertThat(client.schemaById(1)).isEqualTo(INT);
      assertThat(client.schemaById(2)).isEqualTo(INT);
      assertThat(registry.requests()).hasSize(2);
    }
  }

  @Test
  void anUnreachableRegistryIsUnavailable() throws Exception {
    try (SchemaRegistryClient client = client("http://localhost:" + closedPort())) {
      assertThatThrownBy(() -> client.schemaById(1))
          .isInstanceOf(SchemaRegistryUnavailableException.class)
          .hasMessageContaining("GET /schemas/ids/1: ConnectException");
    }
  }

  @Test
  void remembersAnUnknownIdForAWhile() throws Exception {
    Answer unknown = new Answer(404, "{\"error_code\":40403,\"message\":\"Schema 1 not found\"}");
    try (ScriptedRegistry registry = new ScriptedRegistry(unknown, INT_SCHEMA);
        SchemaRegistryClient client = client(registry.url())) {
      for (int i = 0; i < 3; i++) {
        assertThatThrownBy(() -> client.schemaById(1))
            .isInstanceOfSatisfying(
                SchemaRegistryException.class,
                e -> assertThat(e.error()).isEqualTo(RegistryError.SCHEMA_NOT_FOUND));
      }
      assertThat(registry.requests()).hasSize(1);
      assertThat(client.schemaById(2)).isEqualTo(INT);
    }
  }

  /** Each documented code, with its HTTP status. */
  @ParameterizedTest
  @EnumSource(
      value = RegistryError.class,
      mode = EnumSource.Mode.EXCLUDE,
      names = {"OTHER", "SERVER", "TOO_MANY_REQUESTS"})
  void everyDocumentedErrorIsOneClearException(RegistryError error) throws Exception {
    int status = error.code() < 1000 ? error.code() : error.code() / 100;
    Answer answer =
        new Answer(status, "{\"error_code\":" + error.code() + ",\"message\":\"Details.\"}");
    try (ScriptedRegistry registry = new ScriptedRegistry(answer);
        SchemaRegistryClient client = client(registry.url())) {
      assertThatThrownBy(() -> client.register("s", INT))
          .isInstanceOfSatisfying(
              SchemaRegistryException.class,
              e -> {
                assertThat(e.error()).isEqualTo(error);
                assertThat(e.status()).isEqualTo(status);
              })
          .hasMessageContaining(error.description() + " (HTTP " + status)
          .hasMessageEndingWith(": Details.");
    }
  }

  /** As Apicurio, old Confluent releases and proxies answer. */
  @ParameterizedTest
  @CsvSource({
    "409, '{\"error_code\":409}', INCOMPATIBLE_SCHEMA",
    "409, '', INCOMPATIBLE_SCHEMA",
    "404, '{\"error_code\":404}', NOT_FOUND",
    "404, 'no JSON', NOT_FOUND",
    "403, '{\"error_code\":40301}', FORBIDDEN",
    "418, '{}', OTHER",
    "422, '{\"error_code\":42299}', UNPROCESSABLE",
  })
  void theStatusDecidesWhereTheCodeIsUnknown(int status, String body, RegistryError error)
      throws Exception {
    try (ScriptedRegistry registry = new ScriptedRegistry(new Answer(status, body));
        SchemaRegistryClient client = client(registry.url())) {
      assertThatThrownBy(() -> client.latest("s"))
          .isInstanceOfSatisfying(
              SchemaRegistryException.class, e -> assertThat(e.error()).isEqualTo(error));
    }
  }

  @ParameterizedTest
  @CsvSource({"'<html/>'", "'{}'", "'{\"id\":\"seven\"}'", "''", "'[]'"})
  void anAnswerThatIsNoneIsAnError(String body) throws Exception {
    try (ScriptedRegistry registry = new ScriptedRegistry(new Answer(200, body));
        SchemaRegistryClient client = client(registry.url())) {
      assertThatThrownBy(() -> client.register("s", INT))
          .isInstanceOf(SchemaRegistryException.class);
      assertThatThrownBy(() -> client.schemaById(1)).isInstanceOf(SchemaRegistryException.class);
    }
  }

  @Test
  void aSchemaOfAnotherTypeIsRefused() throws Exception {
    Answer protobuf = new Answer(200, "{\"schemaType\":\"PROTOBUF\",\"schema\":\"syntax\"}");
    try (ScriptedRegistry registry = new ScriptedRegistry(protobuf);
        SchemaRegistryClient client = client(registry.url())) {
      assertThatThrownBy(() -> client.schemaById(1))
          .hasMessageContaining("a schema of type PROTOBUF, not AVRO");
    }
  }

  /** Settings as k=v;k=v, where HOST stands for the registry's host and port. */
  @ParameterizedTest
  @CsvSource({
    "schema.registry.url=http://u:p@HOST, Basic dTpw",
    "schema.registry.url=http://HOST;schema.registry.basic.auth.credentials.source=USER_INFO"
        + ";schema.registry.basic.auth.user.info=u:p, Basic dTpw",
    "schema.registry.url=http://HOST;basic.auth.credentials.source=USER_INFO"
        + ";basic.auth.user.info=u:p, Basic dTpw",
    "schema.registry.url=http://HOST;basic.auth.user.info=u:p, Basic dTpw",
    "schema.registry.url=http://HOST;bearer.auth.credentials.source=STATIC_TOKEN"
        + ";bearer.auth.token=t0k3n, Bearer t0k3n",
    "schema.registry.url=http://HOST;schema.registry.bearer.auth.token=t0k3n, Bearer t0k3n",
  })
  void authenticates(String settings, String header) throws Exception {
    try (ScriptedRegistry registry =
        new ScriptedRegistry(INT_SCHEMA, new Answer(403, "{\"message\":\"no\"}"))) {
      // Given
      Map<String, Object> properties = new HashMap<>();
      for (String setting : settings.replace("HOST", registry.hostAndPort()).split(";")) {
        int equals = setting.indexOf('=');
        properties.put(setting.substring(0, equals), setting.substring(equals + 1));
      }

      // When
      try (SchemaRegistryClient client = SchemaRegistryClients.open(properties)) {
        client.schemaById(1);

        // Then: sent, and never told
        assertThat(registry.requests().get(0).headers().get("Authorization"))
            .containsExactly(header);
        assertThatThrownBy(() -> client.schemaById(2))
            .hasMessageContaining(registry.url() + ":")
            .satisfies(
                e -> assertThat(e.getMessage()).doesNotContain("u:p").doesNotContain("t0k3n"));
      }
    }
  }

  @Test
  void clientsOfEqualSettingsShareTheirCacheUntilTheLastIsClosed() throws Exception {
    try (ScriptedRegistry registry = new ScriptedRegistry(INT_SCHEMA)) {
      // Given
      SchemaRegistryClient first = client(registry.url());
      SchemaRegistryClient second = client(registry.url());

      // When
      first.schemaById(1);
      first.close();
      first.close();
      second.schemaById(1);
      second.close();

      // Then
      assertThat(registry.requests()).hasSize(1);
      try (SchemaRegistryClient third = client(registry.url())) {
        third.schemaById(1);
      }
      assertThat(registry.requests()).hasSize(2);
    }
  }

  @Test
  void readsTheRestOfTheApi() throws Exception {
    Answer version =
        new Answer(
            200, "{\"subject\":\"s\",\"version\":3,\"id\":7,\"schema\":\"\\\"int\\\"\",\"x\":1}");
    try (ScriptedRegistry registry =
            new ScriptedRegistry(
                version,
                version,
                new Answer(200, "[2,1]"),
                new Answer(200, "[\"s\"]"),
                new Answer(200, "{\"is_compatible\":false}"),
                new Answer(200, "{\"compatibilityLevel\":\"FULL\"}"),
                new Answer(200, "{\"compatibility\":\"NONE\"}"),
                ID_7);
        SchemaRegistryClient client =
            SchemaRegistryClients.open(
                Map.of("schema.registry.url", registry.url(), "normalize.schemas", "true"))) {
      RegisteredSchema registered = new RegisteredSchema("s", 3, 7, INT);
      assertThat(client.latest("s")).isEqualTo(registered);
      assertThat(client.version("s", 3)).isEqualTo(registered);
      assertThat(client.versions("s")).containsExactly(1, 2);
      assertThat(client.subjects()).containsExactly("s");
      assertThat(client.isCompatible("s", INT)).isFalse();
      assertThat(client.compatibility("s")).isEqualTo(CompatibilityLevel.FULL);
      client.setCompatibility("s", CompatibilityLevel.NONE);
      assertThat(client.idOf("s", INT)).isEqualTo(7);
      assertThat(registry.requests())
          .extracting(Request::line)
          .isEqualTo(
              List.of(
                  "GET /subjects/s/versions/latest",
                  "GET /subjects/s/versions/3",
                  "GET /subjects/s/versions",
                  "GET /subjects",
                  "POST /compatibility/subjects/s/versions?normalize=true",
                  "GET /config/s?defaultToGlobal=true",
                  "PUT /config/s",
                  "POST /subjects/s?normalize=true"));
    }
  }

  private static SchemaRegistryClient client(String urls) {
    return SchemaRegistryClients.open(Map.of("schema.registry.url", urls, "retries.wait.ms", "1"));
  }

  private static int closedPort() throws Exception {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }
}
