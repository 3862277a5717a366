package io.lethe.api;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.state.Phase;
import io.lethe.topology.BlockingModel;
import io.swagger.v3.parser.OpenAPIV3Parser;
import io.swagger.v3.parser.core.models.SwaggerParseResult;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.junit.jupiter.api.Test;

class OpenApiTest {
  private static final Path DOCUMENT = Path.of("../docs/openapi.yaml");

  @Test
  void theCheckedInDocumentIsThatOfTheControllersAndSchemas() throws IOException {
    // When
    String generated = OpenApi.yaml();

    // Then
    if (Boolean.getBoolean("lethe.update-snapshots")) {
      Files.writeString(DOCUMENT, generated);
    }
    assertThat(generated)
        .as("a controller changed: -Dlethe.update-snapshots=true writes %s anew", DOCUMENT)
        .isEqualTo(Files.readString(DOCUMENT));
  }

  @Test
  void anOpenApiParserFindsNoFault() throws IOException {
    SwaggerParseResult result = new OpenAPIV3Parser().readContents(OpenApi.yaml());

    assertThat(result.getMessages()).isEmpty();
    assertThat(result.getOpenAPI().getPaths()).containsKey("/v1/requests/{requestId}");
    assertThat(result.getOpenAPI().getComponents().getSchemas())
        .containsKeys("Request", "Model", "Problem");
  }

  @Test
  void whatIsAnsweredIsWhatIsDocumented() throws IOException {
    // Given
    ObjectNode document = OpenApi.document();
    List<String> problems = new ArrayList<>();

    // When
    List<BlockingModel> blocking =
        List.of(
            new BlockingModel("m", Optional.of(Phase.PARKED), Optional.of(new UUID(1, 2))),
            BlockingModel.unreachable("n"));
    check(Views.request("id", OpenApi.requestState(), blocking), "Request", document, problems);
    check(Views.model(OpenApi.modelState()), "Model", document, problems);

    // Then
    assertThat(problems).isEmpty();
  }

  @Test
  void everyAnswerHasABodyWithATypeAndEveryErrorIsAProblem() throws IOException {
    for (JsonNode path : OpenApi.document().path("paths")) {
      path.path("get")
          .path("responses")
          .properties()
          .forEach(
              response -> {
                int status = Integer.parseInt(response.getKey());
                JsonNode content = response.getValue().path("content");
                if (status >= 400) {
                  assertThat(content.path("application/problem+json").at("/schema/$ref").asText())
                      .isEqualTo("#/components/schemas/Problem");
                } else if (status < 300) {
                  JsonNode schema = content.elements().next().path("schema");
                  assertThat(schema.has("$ref") || schema.has("format"))
                      .as(path.path("get").path("operationId") + " " + schema)
                      .isTrue();
                }
              });
    }
  }

  private static void check(
      JsonNode value, String schema, ObjectNode document, List<String> problems) {
    OpenApi.check(value, document.at("/components/schemas/" + schema), document, problems, schema);
  }
}
