package io.lethe.api;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.ModelFormat;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ModelResult;
import io.lethe.events.Regulation;
import io.lethe.events.RequestStatus;
import io.lethe.events.UnlearningPolicy;
import io.lethe.json.JsonRecords;
import io.lethe.state.ModelProgress;
import io.lethe.state.ModelStage;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import io.lethe.state.RequestState;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.Yaml;

/**
 * Completes the document that the compiler's annotation processor writes from the controllers:
 * bodies that are Avro records get their schemas from those, texts and all, and an example.
 */
final class OpenApi {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final Instant NOON = Instant.parse("2026-01-31T12:00:00Z");
  private static final String SHA256 =
      "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

  private final ObjectNode document;
  private final ObjectNode schemas;

  private OpenApi() throws IOException {
    try (InputStream in = V1Controller.class.getResourceAsStream("/META-INF/swagger/openapi.yml")) {
      Map<String, Object> generated = new Yaml().load(in);
      document = MAPPER.valueToTree(generated);
    }
    schemas = (ObjectNode) document.path("components").path("schemas");
  }

  static ObjectNode document() throws IOException {
    OpenApi api = new OpenApi();
    ObjectNode request = api.record(RequestState.getClassSchema());
    ((ObjectNode) request.get("properties")).remove(Views.HIDDEN_OF_REQUEST);
    required(request).removeIf(name -> Views.HIDDEN_OF_REQUEST.contains(name.asText()));
    ((ObjectNode) request.get("properties")).set("requestId", uuid("The request."));
    required(request).add("requestId");
    ((ObjectNode) request.get("properties")).set("blockedBy", api.blockedBy());
    required(request).add("blockedBy");
    request.put("description", "Where a deletion request stands.");
    request.set("example", Views.request(new UUID(1, 2).toString(), requestState(), List.of()));
    api.schemas.set("Request", request);

    ObjectNode model = api.record(ModelRegistered.getClassSchema());
    ObjectNode state = api.record(ModelState.getClassSchema());
    for (String name : Views.SHOWN_OF_MODEL) {
      ((ObjectNode) model.get("properties")).set(name, state.path("properties").get(name));
      state
          .path("required")
          .forEach(
              field -> {
                if (field.asText().equals(name)) {
                  required(model).add(name);
                }
              });
    }
    model.put("description", "A model as registered, and where it stands.");
    model.set("example", Views.model(modelState()));
    api.schemas.set("Model", model);
    api.withProblemExample();
    return api.document;
  }

  static String yaml() throws IOException {
    DumperOptions options = new DumperOptions();
    options.setDefaultFlowStyle(DumperOptions.FlowStyle.BLOCK);
    options.setWidth(120);
    options.setIndicatorIndent(2);
    options.setIndentWithIndicator(true);
    return "# Generated from the controllers and the Avro schemas; see OpenApiTest.\n"
        + new Yaml(options).dump(MAPPER.convertValue(document(), Map.class));
  }

  private ObjectNode blockedBy() {
    ObjectNode model = NODES.objectNode().put("type", "object");
    model.putArray("required").add("modelId");
    ObjectNode properties = model.putObject("properties");
    properties.set(
        "modelId", NODES.objectNode().put("type", "string").put("description", "The model."));
    properties.set(
        "phase",
        described(
            Phase.getClassSchema(),
            "Why it waits: PARKED, HELD or ESCALATED; absent: its instance does not answer, so that"
                + " it is not known."));
    properties.set("jobId", uuid("The job that it waits with."));
    ObjectNode blockedBy = NODES.objectNode().put("type", "array");
    blockedBy.put(
        "description",
        "Models that the request waits for and that wait for a person themselves, whether or not the"
            + " request is in the batch that stopped.");
    blockedBy.set("items", model);
    return blockedBy;
  }

  private void withProblemExample() {
    ((ObjectNode) schemas.path("Problem"))
        .set(
            "example",
            MAPPER.valueToTree(
                new Problem("about:blank", "Not Found", 404, "no such request is known")));
  }

  private static ArrayNode required(ObjectNode schema) {
    return (ArrayNode) schema.get("required");
  }

  /** An Avro record as {@link JsonRecords} writes it. */
  private ObjectNode record(Schema record) {
    ObjectNode schema = NODES.objectNode();
    schema.put("type", "object");
    schema.put("description", record.getDoc());
    ArrayNode required = schema.putArray("required");
    ObjectNode properties = schema.putObject("properties");
    for (Schema.Field field : record.getFields()) {
      properties.set(field.name(), described(field.schema(), field.doc()));
      if (field.schema().getType() != Schema.Type.UNION) {
        required.add(field.name());
      }
    }
    return schema;
  }

  /** A schema with a text of its own; OpenAPI 3.0 takes none beside a reference. */
  private ObjectNode described(Schema avro, String description) {
    ObjectNode schema = schema(JsonRecords.nonNull(avro));
    if (!schema.has("$ref")) {
      return schema.put("description", description);
    }
    ObjectNode all = NODES.objectNode();
    all.put("description", description);
    all.putArray("allOf").add(schema);
    return all;
  }

  private ObjectNode schema(Schema avro) {
    ObjectNode schema = NODES.objectNode();
    return switch (avro.getType()) {
      case RECORD -> {
        if (!schemas.has(avro.getName())) {
          schemas.set(avro.getName(), NODES.objectNode()); // it may refer to itself
          schemas.set(avro.getName(), record(avro));
        }
        yield schema.put("$ref", "#/components/schemas/" + avro.getName());
      }
      case ENUM -> {
        if (!schemas.has(avro.getName())) {
          ObjectNode named = NODES.objectNode().put("type", "string");
          named.put("description", avro.getDoc());
          ArrayNode symbols = named.putArray("enum");
          avro.getEnumSymbols().forEach(symbols::add);
          schemas.set(avro.getName(), named);
        }
        yield schema.put("$ref", "#/components/schemas/" + avro.getName());
      }
      case ARRAY -> {
        schema.put("type", "array");
        schema.set("items", schema(avro.getElementType()));
        yield schema;
      }
      case MAP -> {
        schema.put("type", "object");
        schema.set("additionalProperties", schema(avro.getValueType()));
        yield schema;
      }
      case LONG ->
          avro.getLogicalType() instanceof LogicalTypes.TimestampMicros
              ? schema.put("type", "string").put("format", "date-time")
              : schema.put("type", "integer").put("format", "int64");
      case INT -> schema.put("type", "integer").put("format", "int32");
      case DOUBLE, FLOAT -> schema.put("type", "number");
      case BOOLEAN -> schema.put("type", "boolean");
      case BYTES -> schema.put("type", "string").put("format", "byte");
      case STRING -> avro.getLogicalType() == null ? schema.put("type", "string") : uuid(null);
      default -> throw new IllegalArgumentException("has no JSON form: " + avro);
    };
  }

  private static ObjectNode uuid(String description) {
    ObjectNode schema = NODES.objectNode().put("type", "string").put("format", "uuid");
    return description == null ? schema : schema.put("description", description);
  }

  static RequestState requestState() {
    return RequestState.newBuilder()
        .setAccepted(true)
        .setStatus(RequestStatus.COMPLETED)
        .setRegulation(Regulation.GDPR)
        .setModels(List.of("handwriting"))
        .setResults(
            List.of(
                ModelResult.newBuilder()
                    .setModelId("handwriting")
                    .setVersion(3)
                    .setArtifactSha256(SHA256)
                    .setSamples(12)
                    .setUnlearnedAt(NOON.plusSeconds(600))
                    .build()))
        .setProgress(
            List.of(
                new ModelProgress(
                    "handwriting", ModelStage.UNLEARNED, NOON.plusSeconds(600), null)))
        .setReceivedAt(NOON)
        .setDueAt(NOON.plusSeconds(28L * 24 * 3600))
        .setUpdatedAt(NOON.plusSeconds(600))
        .setAcceptedAt(NOON.plusSeconds(1))
        .setStartedAt(NOON.plusSeconds(300))
        .setUnlearnedAt(NOON.plusSeconds(600))
        .setEndedAt(NOON.plusSeconds(600))
        .build();
  }

  static ModelState modelState() {
    return ModelState.newBuilder()
        .setRegistration(
            ModelRegistered.newBuilder()
                .setModelId("handwriting")
                .setFormat(ModelFormat.TORCHSCRIPT)
                .setArtifactUri("file:/srv/models/" + SHA256)
                .setArtifactSha256(SHA256)
                .setDatasetId("writers")
                .setDatasetUri("idx:/srv/data/mnist")
                .setPolicy(
                    UnlearningPolicy.newBuilder()
                        .setDeepclean(DeepCleanParameters.newBuilder().build())
                        .setGate(GateThresholds.newBuilder().build())
                        .build())
                .setRegisteredAt(NOON)
                .build())
        .setPhase(Phase.COLLECTING)
        .setAnchorId(SHA256)
        .setVersion(3)
        .setArtifactSha256(SHA256)
        .setVersionAt(NOON)
        .setTrainingSamples(60_000)
        .setErasedSamples(240)
        .setNextTask(21)
        .setFirstTask(20)
        .setPendingRequests(1)
        .setPendingSamples(12)
        .setBatchEnd(20)
        .setBatches(3)
        .setAttempt(0)
        .setRung(0)
        .build();
  }

  /** What of a JSON value its schema does not allow, by path; checks what the API's schemas use. */
  static void check(
      JsonNode value, JsonNode schema, ObjectNode document, List<String> problems, String path) {
    if (schema.has("$ref")) {
      String name = schema.get("$ref").asText().replace("#/components/schemas/", "");
      check(
          value, document.path("components").path("schemas").path(name), document, problems, path);
      return;
    }
    schema.path("allOf").forEach(part -> check(value, part, document, problems, path));
    if (schema.path("enum").size() > 0
        && !MAPPER.convertValue(schema.get("enum"), List.class).contains(value.asText())) {
      problems.add(path + " is none of " + schema.get("enum"));
    }
    switch (schema.path("type").asText()) {
      case "object" -> {
        schema
            .path("required")
            .forEach(
                name -> {
                  if (!value.has(name.asText())) {
                    problems.add(path + "." + name.asText() + " is missing");
                  }
                });
        value
            .properties()
            .forEach(
                field -> {
                  String at = path + "." + field.getKey();
                  JsonNode own = schema.path("properties").path(field.getKey());
                  JsonNode of = own.isMissingNode() ? schema.path("additionalProperties") : own;
                  if (of.isMissingNode()) {
                    problems.add(at + " is not documented");
                  } else {
                    check(field.getValue(), of, document, problems, at);
                  }
                });
      }
      case "array" ->
          value.forEach(item -> check(item, schema.path("items"), document, problems, path + "[]"));
      case "string" -> {
        if (!value.isTextual()) {
          problems.add(path + " is no string");
        }
      }
      case "integer" -> {
        if (!value.isIntegralNumber()) {
          problems.add(path + " is no integer");
        }
      }
      case "number" -> {
        if (!value.isNumber() && !value.isTextual()) {
          problems.add(path + " is no number");
        }
      }
      case "boolean" -> {
        if (!value.isBoolean()) {
          problems.add(path + " is no boolean");
        }
      }
      default -> {
        if (!schema.has("allOf")) {
          problems.add(path + " has no type");
        }
      }
    }
  }
}
