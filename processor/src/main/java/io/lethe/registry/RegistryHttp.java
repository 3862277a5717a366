package io.lethe.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpHandler;
import io.lethe.schemas.client.RegistryError;
import java.io.IOException;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Routes requests to the {@link SubjectService} and writes its answers in Confluent's JSON. */
final class RegistryHttp implements HttpHandler {
  static final String MEDIA_TYPE = "application/vnd.schemaregistry.v1+json";
  private static final Logger log = LoggerFactory.getLogger(RegistryHttp.class);
  private static final int LONGEST_BODY = 4 << 20;
  private static final ObjectMapper JSON = new ObjectMapper();

  private final SubjectService service;

  RegistryHttp(SubjectService service) {
    this.service = service;
  }

  @Override
  public void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      int status = 200;
      Object answer;
      try {
        answer = route(new Request(exchange));
      } catch (RegistryRefusal e) {
        status = e.status();
        answer = error(e.code(), e.getMessage());
      } catch (RuntimeException e) {
        log.error("{} failed", exchange.getRequestMethod(), e);
        status = 500;
        answer = error(RegistryError.STORE.code(), "Error in the registry");
      }
      byte[] body = JSON.writeValueAsBytes(answer);
      exchange.getResponseHeaders().set("Content-Type", MEDIA_TYPE);
      exchange.sendResponseHeaders(status, body.length);
      exchange.getResponseBody().write(body);
    }
  }

  private static ObjectNode error(int code, String message) {
    return JSON.createObjectNode().put("error_code", code).put("message", message);
  }

  private Object route(Request request) throws IOException {
    return switch (request.segment(0)) {
      case "" -> Map.of();
      case "subjects" -> subjects(request);
      case "schemas" -> schemas(request);
      case "compatibility" -> compatibility(request);
      case "config" -> config(request);
      case "mode" -> mode(request);
      default -> throw request.unknown();
    };
  }

  /**
   * /subjects, /subjects/S, /subjects/S/versions, /subjects/S/versions/V, …/schema, …/referencedby.
   */
  private Object subjects(Request request) throws IOException {
    String subject = request.segment(1);
    boolean deleted = request.flag("deleted");
    boolean permanent = request.flag("permanent");
    String shape = request.shape("subjects", "*", "versions", "*", "*");
    return switch (request.method() + " " + shape) {
      case "GET subjects" ->
          service.subjects(deleted).stream()
              .filter(name -> name.startsWith(request.parameter("subjectPrefix", "")))
              .toList();
      case "POST subjects/*" -> version(service.lookUp(subject, request.schema(), deleted));
      case "DELETE subjects/*" -> service.deleteSubject(subject, permanent);
      case "GET subjects/*/versions" ->
          service.existing(subject, deleted).stream().map(LogRecord.Version::version).toList();
      case "POST subjects/*/versions" -> Map.of("id", service.register(subject, request.schema()));
      case "GET subjects/*/versions/*" ->
          version(service.version(subject, request.segment(3), deleted));
      case "DELETE subjects/*/versions/*" ->
          service.deleteVersion(subject, request.segment(3), permanent);
      case "GET subjects/*/versions/*/*" -> ofVersion(request, subject, deleted);
      default -> throw request.unknown();
    };
  }

  private Object ofVersion(Request request, String subject, boolean deleted) throws IOException {
    LogRecord.Version version = service.version(subject, request.segment(3), deleted);
    return switch (request.segment(4)) {
      case "schema" -> JSON.readTree(version.schema());
      case "referencedby" -> service.referencedBy(version, deleted);
      default -> throw request.unknown();
    };
  }

  /** /schemas/types, /schemas/ids/N, /schemas/ids/N/schema, …/subjects, …/versions. */
  private Object schemas(Request request) throws IOException {
    String shape = request.shape("schemas", "*", "*", "*");
    if (!request.method().equals("GET") || shape.equals("schemas")) {
      throw request.unknown();
    }
    if (shape.equals("schemas/*") && request.segment(1).equals("types")) {
      return List.of("AVRO");
    }
    if (!request.segment(1).equals("ids") || shape.equals("schemas/*")) {
      throw request.unknown();
    }
    int id = request.id();
    boolean deleted = request.flag("deleted");
    return switch (request.segment(3)) {
      case "" -> schema(JSON.createObjectNode(), service.schema(id));
      case "schema" -> JSON.readTree(service.schema(id).schema());
      case "subjects" ->
          service.uses(id, deleted).stream().map(LogRecord.Version::subject).distinct().toList();
      case "versions" ->
          service.uses(id, deleted).stream()
              .map(use -> Map.of("subject", use.subject(), "version", use.version()))
              .toList();
      default -> throw request.unknown();
    };
  }

  /** /compatibility/subjects/S/versions and …/versions/V. */
  private Object compatibility(Request request) throws IOException {
    String shape = request.shape("compatibility", "subjects", "*", "versions", "*");
    String version =
        switch (request.method() + " " + shape) {
          case "POST compatibility/subjects/*/versions" -> null;
          case "POST compatibility/subjects/*/versions/*" -> request.segment(4);
          default -> throw request.unknown();
        };
    List<String> problems = service.problems(request.segment(2), version, request.schema());
    Map<String, Object> answer = new HashMap<>();
    answer.put("is_compatible", problems.isEmpty());
    if (request.flag("verbose")) {
      answer.put("messages", problems);
    }
    return answer;
  }

  /** /config and /config/S. */
  private Object config(Request request) throws IOException {
    String subject = request.subjectOrAll("config");
    return switch (request.method()) {
      case "GET" ->
          Map.of(
              "compatibilityLevel",
              subject == null || request.flag("defaultToGlobal")
                  ? service.levelOf(subject)
                  : service.ownLevel(subject));
      case "PUT" -> {
        JsonNode body = request.body();
        service.setLevel(subject, body.path("compatibility").asText(null));
        yield body;
      }
      case "DELETE" -> Map.of("compatibilityLevel", service.removeLevel(subject));
      default -> throw request.unknown();
    };
  }

  /** /mode and /mode/S. */
  private Object mode(Request request) throws IOException {
    String subject = request.subjectOrAll("mode");
    return switch (request.method()) {
      case "GET" ->
          Map.of(
              "mode",
              subject == null || request.flag("defaultToGlobal")
                  ? service.modeOf(subject)
                  : service.ownMode(subject));
      case "PUT" -> {
        JsonNode body = request.body();
        service.setMode(subject, body.path("mode").asText(null), request.flag("force"));
        yield body;
      }
      case "DELETE" -> Map.of("mode", service.removeMode(subject));
      default -> throw request.unknown();
    };
  }

  private static Object version(LogRecord.Version version) {
    return schema(
        JSON.createObjectNode()
            .put("subject", version.subject())
            .put("version", version.version())
            .put("id", version.id()),
        version);
  }

  private static ObjectNode schema(ObjectNode answer, LogRecord.Version version) {
    if (!version.references().isEmpty()) {
      LogCodec.references(answer.putArray("references"), version.references());
    }
    return answer.put("schema", version.schema());
  }

  /** A request, taken apart. */
  private static final class Request {
    private final HttpExchange exchange;
    private final List<String> segments;

    Request(HttpExchange exchange) {
      this.exchange = exchange;
      String path = exchange.getRequestURI().getRawPath();
      this.segments = Arrays.stream(path.substring(1).split("/", -1)).map(Request::decode).toList();
    }

    private static String decode(String text) {
      try {
        return URLDecoder.decode(text.replace("+", "%2B"), StandardCharsets.UTF_8);
      } catch (IllegalArgumentException e) {
        throw new RegistryRefusal(RegistryError.NOT_FOUND, "HTTP 404 Not Found");
      }
    }

    String method() {
      return exchange.getRequestMethod();
    }

    /** Empty where the path is shorter. */
    String segment(int index) {
      return index < segments.size() ? segments.get(index) : "";
    }

    /** The path with names in place of what the pattern calls *, as long as it is. */
    String shape(String... pattern) {
      if (segments.size() > pattern.length || segments.contains("")) {
        throw unknown();
      }
      for (int i = 0; i < segments.size(); i++) {
        if (!pattern[i].equals("*") && !pattern[i].equals(segments.get(i))) {
          throw unknown();
        }
      }
      return String.join("/", Arrays.asList(pattern).subList(0, segments.size()));
    }

    /** The S of /name/S, null for /name. */
    String subjectOrAll(String name) {
      return shape(name, "*").equals(name) ? null : segment(1);
    }

    int id() {
      try {
        return Integer.parseInt(segment(2));
      } catch (NumberFormatException e) {
        throw unknown();
      }
    }

    boolean flag(String name) {
      return parameter(name, "false").equals("true");
    }

    String parameter(String name, String otherwise) {
      String query = exchange.getRequestURI().getRawQuery();
      for (String pair : query == null ? new String[0] : query.split("&", -1)) {
        int equals = pair.indexOf('=');
        if (equals > 0 && decode(pair.substring(0, equals)).equals(name)) {
          return decode(pair.substring(equals + 1));
        }
      }
      return otherwise;
    }

    JsonNode body() throws IOException {
      // Not a form, which any web page may post to this port without asking.
      String type = exchange.getRequestHeaders().getFirst("Content-Type");
      if (type == null || !type.contains("json")) {
        throw new RegistryRefusal(
            RegistryError.UNSUPPORTED_MEDIA, "HTTP 415 Unsupported Media Type");
      }
      byte[] body = exchange.getRequestBody().readNBytes(LONGEST_BODY + 1);
      if (body.length > LONGEST_BODY) {
        throw new RegistryRefusal(RegistryError.SCHEMA_TOO_LARGE, "Schema is too large");
      }
      try {
        JsonNode json = JSON.readTree(body);
        if (json.isObject()) {
          return json;
        }
      } catch (JsonProcessingException e) {
        // Refused below, like JSON that is no object.
      }
      throw new RegistryRefusal(
          RegistryError.BAD_REQUEST, "The request's body is not a JSON object");
    }

    /** The schema of the body. */
    SentSchema schema() throws IOException {
      JsonNode body = body();
      String type = body.path("schemaType").asText("AVRO");
      if (!type.equals("AVRO")) {
        throw new RegistryRefusal(RegistryError.INVALID_SCHEMA, "Invalid schema type " + type);
      }
      return new SentSchema(
          body.path("schema").asText(""),
          LogCodec.references(body),
          flag("normalize"),
          Math.max(0, body.path("version").asInt(0)),
          Math.max(0, body.path("id").asInt(0)));
    }

    RegistryRefusal unknown() {
      return new RegistryRefusal(RegistryError.NOT_FOUND, "HTTP 404 Not Found");
    }
  }
}
