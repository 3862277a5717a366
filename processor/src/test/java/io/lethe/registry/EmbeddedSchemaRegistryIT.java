package io.lethe.registry;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.embedded.EmbeddedBroker;
import io.lethe.embedded.EmbeddedException;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.schemas.client.CompatibilityLevel;
import io.lethe.schemas.client.RegistryError;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import io.lethe.schemas.client.SchemaRegistryException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.avro.SchemaBuilder;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class EmbeddedSchemaRegistryIT {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final HttpClient HTTP = HttpClient.newHttpClient();

  @TempDir static Path directory;
  private static EmbeddedBroker broker;
  private static EmbeddedSchemaRegistry registry;

  @BeforeAll
  static void start() throws Exception {
    broker = EmbeddedBroker.start(directory, 0);
    registry = EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
    post(
        "/subjects/known/versions",
        schemaBody("{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}"));
    post("/subjects/soft/versions", schemaBody("\"string\""));
    send("DELETE", "/subjects/soft", null);
    post("/subjects/frozen/versions", schemaBody("\"long\""));
    send("PUT", "/mode/frozen", "{\"mode\":\"READONLY\"}");
  }

  @AfterAll
  static void stop() {
    registry.close();
    broker.close();
  }

  /** Body: + is a valid schema, x an invalid one, anything else is sent as it is. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "GET    | /subjects/none/versions                        |   | 404 | 40401",
        "GET    | /subjects/soft/versions                        |   | 404 | 40401",
        "GET    | /subjects/known/versions/9                     |   | 404 | 40402",
        "GET    | /schemas/ids/999                               |   | 404 | 40403",
        "POST   | /subjects/known                                | + | 404 | 40403",
        "DELETE | /subjects/soft                                 |   | 404 | 40404",
        "DELETE | /subjects/known?permanent=true                 |   | 404 | 40405",
        "DELETE | /subjects/soft/versions/1                      |   | 404 | 40406",
        "DELETE | /subjects/known/versions/1?permanent=true      |   | 404 | 40407",
        "GET    | /config/known                                  |   | 404 | 40408",
        "GET    | /mode/known                                    |   | 404 | 40409",
        "POST   | /subjects/known/versions                       | + | 409 | 40901",
        "POST   | /subjects/new/versions                         | x | 422 | 42201",
        "POST   | /subjects/new/versions | {\"schema\":\"x\",\"schemaType\":\"JSON\"} | 422 | 42201",
        "GET    | /subjects/known/versions/zero                  |   | 422 | 42202",
        "PUT    | /config       | {\"compatibility\":\"SOMETIMES\"}  | 422 | 42203",
        "PUT    | /mode         | {\"mode\":\"SOMETIMES\"}           | 422 | 42204",
        "POST   | /subjects/frozen/versions                      | + | 422 | 42205",
        "POST   | /subjects/%20/versions                         | + | 422 | 42208",
        "POST   | /subjects/new/versions                         | [ | 400 | 400",
        "GET    | /subject                                       |   | 404 | 404",
        "GET    | /subjects/known/versions/1/schema/more         |   | 404 | 404",
        "PATCH  | /config                                        |   | 404 | 404",
        "GET    | /schemas/ids/many                              |   | 404 | 404",
      })
  void refusesWithTheDocumentedCodes(String method, String path, String body, int status, int code)
      throws Exception {
    // Given
    String sent =
        body == null
            ? null
            : switch (body) {
              case "+" -> schemaBody("\"int\"");
              case "x" -> schemaBody("no schema");
              default -> body;
            };

    // When
    HttpResponse<String> response = send(method, path, sent);

    // Then
    assertThat(response.statusCode()).isEqualTo(status);
    assertThat(response.headers().firstValue("Content-Type"))
        .contains("application/vnd.schemaregistry.v1+json");
    JsonNode error = JSON.readTree(response.body());
    assertThat(error.path("error_code").asInt()).isEqualTo(code);
    assertThat(error.path("message").asText()).isNotBlank();
  }

  @Test
  void answersInConfluentsJson() throws Exception {
    // Given
    String schema = "{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}";
    String text = JSON.writeValueAsString(schema);

    // When
    int id = JSON.readTree(post("/subjects/a%2Fb/versions", schemaBody(schema))).path("id").asInt();

    // Then
    String version =
        "{\"subject\":\"a/b\",\"version\":1,\"id\":" + id + ",\"schema\":" + text + "}";
    assertThat(get("/subjects?subjectPrefix=a")).isEqualTo("[\"a/b\"]");
    assertThat(get("/subjects/a%2Fb/versions")).isEqualTo("[1]");
    assertThat(get("/subjects/a%2Fb/versions/latest")).isEqualTo(version);
    assertThat(get("/subjects/a%2Fb/versions/-1")).isEqualTo(version);
    assertThat(get("/subjects/a%2Fb/versions/1/schema")).isEqualTo(schema);
    assertThat(get("/subjects/a%2Fb/versions/1/referencedby")).isEqualTo("[]");
    assertThat(post("/subjects/a%2Fb", schemaBody(schema))).isEqualTo(version);
    assertThat(get("/schemas/ids/" + id)).isEqualTo("{\"schema\":" + text + "}");
    assertThat(get("/schemas/ids/" + id + "/schema")).isEqualTo(schema);
    assertThat(get("/schemas/ids/" + id + "/subjects")).isEqualTo("[\"a/b\"]");
    assertThat(JSON.readTree(get("/schemas/ids/" + id + "/versions")))
        .isEqualTo(JSON.readTree("[{\"subject\":\"a/b\",\"version\":1}]"));
    assertThat(get("/schemas/types")).isEqualTo("[\"AVRO\"]");
    assertThat(get("/config")).isEqualTo("{\"compatibilityLevel\":\"BACKWARD\"}");
    assertThat(get("/config/a%2Fb?defaultToGlobal=true"))
        .isEqualTo("{\"compatibilityLevel\":\"BACKWARD\"}");
    assertThat(get("/mode")).isEqualTo("{\"mode\":\"READWRITE\"}");
    assertThat(get("/")).isEqualTo("{}");
    assertThat(post("/compatibility/subjects/a%2Fb/versions/latest", schemaBody(schema)))
        .isEqualTo("{\"is_compatible\":true}");
    JsonNode verbose =
        JSON.readTree(
            post("/compatibility/subjects/a%2Fb/versions?verbose=true", schemaBody("\"int\"")));
    assertThat(verbose.path("is_compatible").asBoolean()).isFalse();
    assertThat(verbose.path("messages").path(0).asText()).contains("TYPE_MISMATCH");
  }

  @Test
  void refusesAFormThatAWebPageCouldPost() throws Exception {
    HttpRequest form =
        HttpRequest.newBuilder(URI.create(registry.url() + "/subjects/form/versions"))
            .header("Content-Type", "text/plain")
            .POST(BodyPublishers.ofString(schemaBody("\"int\"")))
            .build();

    assertThat(HTTP.send(form, BodyHandlers.ofString()).statusCode()).isEqualTo(415);
  }

  @Test
  void servesOurClient() {
    try (SchemaRegistryClient client =
        SchemaRegistryClients.open(Map.of("schema.registry.url", registry.url()))) {
      // When
      int id = client.register("client-value", DeletionRequest.getClassSchema());

      // Then
      assertThat(client.idOf("client-value", DeletionRequest.getClassSchema())).isEqualTo(id);
      assertThat(client.schemaById(id)).isEqualTo(DeletionRequest.getClassSchema());
      assertThat(client.latest("client-value").id()).isEqualTo(id);
      assertThat(client.version("client-value", 1).version()).isEqualTo(1);
      assertThat(client.versions("client-value")).containsExactly(1);
      assertThat(client.subjects()).contains("client-value");
      assertThat(client.compatibility("client-value")).isEqualTo(CompatibilityLevel.BACKWARD);
      assertThat(client.isCompatible("client-value", LineageKey.getClassSchema())).isFalse();
      client.setCompatibility("client-value", CompatibilityLevel.NONE);
      assertThat(client.isCompatible("client-value", LineageKey.getClassSchema())).isTrue();
      client.setCompatibility("client-value", CompatibilityLevel.FULL_TRANSITIVE);
      assertThatThrownBy(() -> client.register("client-value", LineageKey.getClassSchema()))
          .isInstanceOfSatisfying(
              SchemaRegistryException.class,
              e -> assertThat(e.error()).isEqualTo(RegistryError.INCOMPATIBLE_SCHEMA))
          .hasMessageContaining("client-value")
          .hasMessageContaining("HTTP 409, code 40901");
    }
  }

  @Test
  void concurrentRegistrationsOfOneSchemaGetOneId() throws Exception {
    // Given
    String body = schemaBody(SchemaBuilder.record("Concurrent").fields().endRecord().toString());
    ExecutorService threads = Executors.newFixedThreadPool(8);
    List<Callable<String>> calls = new ArrayList<>();
    for (int i = 0; i < 64; i++) {
      String subject = "concurrent-" + i % 4;
      calls.add(() -> post("/subjects/" + subject + "/versions", body));
    }

    // When
    Set<String> answers = new HashSet<>();
    for (Future<String> answer : threads.invokeAll(calls)) {
      answers.add(answer.get());
    }
    threads.shutdown();

    // Then
    assertThat(answers).hasSize(1).allMatch(answer -> answer.matches("\\{\"id\":\\d+}"));
    assertThat(get("/subjects/concurrent-0/versions")).isEqualTo("[1]");
  }

  @Test
  void anotherRegistryOfTheBrokerReadsTheSameState() throws Exception {
    // Given
    post("/subjects/moved/versions", schemaBody("\"bytes\""));
    send("PUT", "/config/moved", "{\"compatibility\":\"FULL\"}");
    String before = get("/subjects/moved/versions/1");

    // When
    try (EmbeddedSchemaRegistry second =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
        SchemaRegistryClient client =
            SchemaRegistryClients.open(Map.of("schema.registry.url", second.url()))) {

      // Then
      JsonNode version = JSON.readTree(before);
      assertThat(client.latest("moved").id()).isEqualTo(version.path("id").asInt());
      assertThat(client.compatibility("moved")).isEqualTo(CompatibilityLevel.FULL);
    }
  }

  @Test
  void anOccupiedPortIsOneClearLine() {
    assertThatThrownBy(
            () -> EmbeddedSchemaRegistry.start(broker.bootstrapServers(), registry.port()))
        .isInstanceOf(EmbeddedException.class)
        .hasMessage(
            "Port 127.0.0.1:%d is not free: stop what listens there or choose another port",
            registry.port());
  }

  private static String schemaBody(String schema) {
    return JSON.createObjectNode().put("schema", schema).toString();
  }

  private static String get(String path) throws Exception {
    return success(send("GET", path, null));
  }

  private static String post(String path, String body) throws Exception {
    return success(send("POST", path, body));
  }

  private static String success(HttpResponse<String> response) {
    assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
    return response.body();
  }

  private static HttpResponse<String> send(String method, String path, String body)
      throws Exception {
    HttpRequest request =
        HttpRequest.newBuilder(URI.create(registry.url() + path))
            .header("Content-Type", "application/vnd.schemaregistry.v1+json")
            .method(method, body == null ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
            .build();
    return HTTP.send(request, BodyHandlers.ofString());
  }
}
