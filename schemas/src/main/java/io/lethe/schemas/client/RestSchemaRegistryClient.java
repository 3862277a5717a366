package io.lethe.schemas.client;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.avro.SchemaParseException;

/** Confluent's REST API. Remembers nothing: put {@link CachingSchemaRegistryClient} in front. */
final class RestSchemaRegistryClient implements SchemaRegistryClient {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final RegistryTransport transport;
  private final String normalize;

  RestSchemaRegistryClient(RegistryClientConfig config) {
    this.transport = new RegistryTransport(config);
    this.normalize = config.normalize() ? "?normalize=true" : "";
  }

  @Override
  public int register(String subject, Schema schema) {
    String path = "/subjects/" + encode(subject) + "/versions" + normalize;
    return number(transport.send("POST", path, body(schema)), "id", path);
  }

  @Override
  public int idOf(String subject, Schema schema) {
    String path = "/subjects/" + encode(subject) + normalize;
    return number(transport.send("POST", path, body(schema)), "id", path);
  }

  @Override
  public Schema schemaById(int id) {
    String path = "/schemas/ids/" + id;
    return schema(transport.send("GET", path, null), path);
  }

  @Override
  public RegisteredSchema latest(String subject) {
    return registered(subject, "latest");
  }

  @Override
  public RegisteredSchema version(String subject, int version) {
    return registered(subject, Integer.toString(version));
  }

  @Override
  public List<Integer> versions(String subject) {
    JsonNode answer = transport.send("GET", "/subjects/" + encode(subject) + "/versions", null);
    List<Integer> versions = new ArrayList<>();
    answer.forEach(version -> versions.add(version.asInt()));
    return versions.stream().sorted().toList();
  }

  @Override
  public List<String> subjects() {
    List<String> subjects = new ArrayList<>();
    transport.send("GET", "/subjects", null).forEach(subject -> subjects.add(subject.asText()));
    return List.copyOf(subjects);
  }

  @Override
  public boolean isCompatible(String subject, Schema schema) {
    // Without a version all versions are checked that the subject's level names.
    String path = "/compatibility/subjects/" + encode(subject) + "/versions" + normalize;
    JsonNode answer = transport.send("POST", path, body(schema));
    if (!answer.path("is_compatible").isBoolean()) {
      throw unusable(path, "is_compatible");
    }
    return answer.path("is_compatible").booleanValue();
  }

  @Override
  public CompatibilityLevel compatibility(String subject) {
    String path = "/config/" + encode(subject) + "?defaultToGlobal=true";
    JsonNode answer = transport.send("GET", path, null);
    try {
      return CompatibilityLevel.valueOf(answer.path("compatibilityLevel").asText());
    } catch (IllegalArgumentException e) {
      throw unusable(path, "compatibilityLevel");
    }
  }

  @Override
  public void setCompatibility(String subject, CompatibilityLevel level) {
    ObjectNode body = JSON.createObjectNode().put("compatibility", level.name());
    transport.send("PUT", "/config/" + encode(subject), body.toString());
  }

  @Override
  public void close() {
    transport.close();
  }

  private RegisteredSchema registered(String subject, String version) {
    String path = "/subjects/" + encode(subject) + "/versions/" + version;
    JsonNode answer = transport.send("GET", path, null);
    return new RegisteredSchema(
        subject, number(answer, "version", path), number(answer, "id", path), schema(answer, path));
  }

  private static String body(Schema schema) {
    return JSON.createObjectNode().put("schema", schema.toString()).toString();
  }

  private static int number(JsonNode answer, String field, String path) {
    if (!answer.path(field).canConvertToInt()) {
      throw unusable(path, field);
    }
    return answer.path(field).intValue();
  }

  private Schema schema(JsonNode answer, String path) {
    String type = answer.path("schemaType").asText("AVRO");
    if (!type.equals("AVRO")) {
      throw new SchemaRegistryException(
          "Schema registry: " + path + " is a schema of type " + type + ", not AVRO", 200, 0, null);
    }
    try {
      Schema.Parser parser = new Schema.Parser();
      addReferenced(answer, parser, new HashSet<>());
      return parser.parse(answer.path("schema").asText());
    } catch (SchemaParseException e) {
      throw unusable(path, "schema");
    }
  }

  /** Adds what the schema refers to, which may be softly deleted, each after what it refers to. */
  private void addReferenced(JsonNode schema, Schema.Parser parser, Set<String> added) {
    for (JsonNode reference : schema.path("references")) {
      if (added.add(reference.path("name").asText())) {
        String path =
            "/subjects/"
                + encode(reference.path("subject").asText())
                + "/versions/"
                + reference.path("version").asInt()
                + "?deleted=true";
        JsonNode referenced = transport.send("GET", path, null);
        addReferenced(referenced, parser, added);
        parser.parse(referenced.path("schema").asText());
      }
    }
  }

  private static SchemaRegistryException unusable(String path, String field) {
    return new SchemaRegistryException(
        "Schema registry: the answer to " + path + " has no usable field " + field, 200, 0, null);
  }

  private static String encode(String pathSegment) {
    return URLEncoder.encode(pathSegment, StandardCharsets.UTF_8).replace("+", "%20");
  }
}
