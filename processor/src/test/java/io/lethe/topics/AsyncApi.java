package io.lethe.topics;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.topics.Topic.Cleanup;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecord;
import org.yaml.snakeyaml.DumperOptions;
import org.yaml.snakeyaml.Yaml;

/**
 * Writes the AsyncAPI 3.0 document of the topics, with nothing of its own to say on them but who
 * reads and who writes: names, configuration and types are the registry's, texts are the schemas'.
 */
final class AsyncApi {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String KAFKA_BINDING = "0.5.0";
  private static final String AVRO = "application/vnd.apache.avro;version=1.9.0";

  /** What others write for Lethe, by accessor of {@link Topics}. */
  private static final Set<String> RECEIVED =
      Set.of("models", "datasetLineage", "deletionRequests");

  /** What Lethe writes for others. The rest is between its own parts: both. */
  private static final Set<String> SENT =
      Set.of("modelVersions", "erasureReceipts", "jobProgress", "deadLetters");

  /** The topic whose key does not decide its partition. */
  private static final String FEEDBACK = "requestFeedback";

  private final String prefix;
  private final Topics topics;
  private final Map<String, Method> accessors = new LinkedHashMap<>();

  /** The document for topics with the default prefix. */
  static String yaml() {
    return new AsyncApi("lethe.").write();
  }

  private AsyncApi(String prefix) {
    this.prefix = prefix;
    this.topics = new Topics(prefix, Map.of("schema.registry.url", "mock://asyncapi"));
    List<String> order = topics.all().stream().map(Topic::name).toList();
    Arrays.stream(Topics.class.getMethods())
        .filter(method -> method.getReturnType() == Topic.class)
        .sorted(Comparator.comparing(method -> order.indexOf(topic(method).name())))
        .forEach(method -> accessors.put(method.getName(), method));
  }

  private String write() {
    ObjectNode document = NODES.objectNode();
    document.put("asyncapi", "3.0.0");
    document.set("info", info());
    document.put("defaultContentType", CloudEvent.CONTENT_TYPE);
    document.set("servers", servers());
    ObjectNode channels = document.putObject("channels");
    ObjectNode operations = document.putObject("operations");
    ObjectNode components = document.putObject("components");
    ObjectNode messages = components.putObject("messages");
    components.putObject("messageTraits").set("event", eventTrait());
    accessors.forEach(
        (name, method) -> {
          messages.set(messageName(method), message(method));
          channels.set(name, channel(method));
          if (!SENT.contains(name)) {
            operations.set("receive" + capital(name), operation("receive", name));
          }
          if (!RECEIVED.contains(name)) {
            operations.set("send" + capital(name), operation("send", name));
          }
        });
    DumperOptions options = new DumperOptions();
    options.setDefaultFlowStyle(DumperOptions.FlowStyle.BLOCK);
    options.setWidth(120);
    options.setIndicatorIndent(2);
    options.setIndentWithIndicator(true);
    return "# Generated from the topic registry and the Avro schemas; see AsyncApiTest.\n"
        + new Yaml(options).dump(MAPPER.convertValue(document, Map.class));
  }

  private ObjectNode info() {
    ObjectNode info = NODES.objectNode();
    info.put("title", "Lethe");
    info.put("version", "1");
    info.put(
        "description",
        "Deletion requests go in; verified model versions and signed receipts come out. Values are Avro in the"
            + " Confluent wire format (a zero byte, the schema's id as big-endian int32, Avro binary), subjects are"
            + " named by topic, and headers are CloudEvents 1.0 in Kafka's binary mode. A record goes to the partition"
            + " that murmur2 of the first part of its key, in UTF-8, gives, as the Java client's default partitioner"
            + " does for a string; librdkafka calls that murmur2_random. Read committed records only. The prefix "
            + prefix
            + " of the topics' names is configurable (lethe.topics.prefix).");
    info.putObject("license").put("name", "Apache-2.0");
    return info;
  }

  private static ObjectNode servers() {
    ObjectNode servers = NODES.objectNode();
    ObjectNode kafka = servers.putObject("kafka");
    kafka.put("host", "{bootstrapServers}");
    kafka.put("protocol", "kafka");
    kafka
        .putObject("variables")
        .putObject("bootstrapServers")
        .put("default", "127.0.0.1:9092")
        .put("description", "As of ./lethe up.");
    kafka
        .putObject("bindings")
        .putObject("kafka")
        .put("schemaRegistryUrl", "http://127.0.0.1:8081")
        .put("schemaRegistryVendor", "confluent")
        .put("bindingVersion", KAFKA_BINDING);
    return servers;
  }

  private ObjectNode channel(Method method) {
    Topic<?, ?> topic = topic(method);
    ObjectNode channel = NODES.objectNode();
    channel.put("address", topic.name());
    channel.put("description", description(method));
    channel
        .putObject("messages")
        .putObject(messageName(method))
        .put("$ref", "#/components/messages/" + messageName(method));
    ObjectNode kafka = channel.putObject("bindings").putObject("kafka");
    kafka.put("topic", topic.name());
    ObjectNode configuration = kafka.putObject("topicConfiguration");
    configuration.putArray("cleanup.policy").add(topic.cleanup().name().toLowerCase(Locale.ROOT));
    if (topic.cleanup() == Cleanup.DELETE) {
      configuration.put("retention.ms", Long.parseLong(topic.config().get("retention.ms")));
    }
    configuration.put("max.message.bytes", topic.maxMessageBytes());
    kafka.put("bindingVersion", KAFKA_BINDING);
    return channel;
  }

  private static ObjectNode operation(String action, String channel) {
    ObjectNode operation = NODES.objectNode();
    operation.put("action", action);
    operation.putObject("channel").put("$ref", "#/channels/" + channel);
    return operation;
  }

  private ObjectNode message(Method method) {
    ObjectNode message = NODES.objectNode();
    message.put("name", messageName(method));
    ObjectNode kafka = NODES.objectNode();
    kafka.set("key", key(method));
    if (isEvent(method)) {
      message.put("contentType", CloudEvent.CONTENT_TYPE);
      message.putArray("traits").addObject().put("$ref", "#/components/messageTraits/event");
      ObjectNode payload = message.putObject("payload");
      payload.put("schemaFormat", AVRO);
      payload.set("schema", avro(type(method, 1)));
      kafka.put("schemaIdLocation", "payload");
      kafka.put("schemaIdPayloadEncoding", "confluent");
      kafka.put("schemaLookupStrategy", "TopicNameStrategy");
    } else {
      message.put("contentType", "application/octet-stream");
      message.set("headers", deadLetterHeaders());
      message.putObject("payload").put("type", "string").put("format", "binary");
    }
    kafka.put("bindingVersion", KAFKA_BINDING);
    message.putObject("bindings").set("kafka", kafka);
    return message;
  }

  /** The binding takes JSON Schema only for keys: the Avro schema goes in an extension. */
  private ObjectNode key(Method method) {
    Class<?> type = type(method, 0);
    ObjectNode key = NODES.objectNode();
    if (type == byte[].class) {
      return key.put("type", "string").put("format", "binary");
    }
    if (type == String.class) {
      String keyedBy = topic(method).keyedBy().name().toLowerCase(Locale.ROOT);
      String description =
          method.getName().equals(FEEDBACK)
              ? "requestId, UTF-8; it lies on its subject's partition"
              : keyedBy + "Id, UTF-8";
      return key.put("type", "string").put("description", description);
    }
    Schema schema = SpecificData.get().getSchema(type);
    key.put("type", "object").put("description", schema.getDoc());
    ObjectNode properties = key.putObject("properties");
    ArrayNode required = key.putArray("required");
    for (Schema.Field field : schema.getFields()) {
      String form = field.schema().getType() == Schema.Type.STRING ? "string" : "integer";
      properties.putObject(field.name()).put("type", form).put("description", field.doc());
      required.add(field.name());
    }
    key.set("x-avro-schema", avro(type));
    return key;
  }

  private static ObjectNode eventTrait() {
    ObjectNode trait = NODES.objectNode();
    ObjectNode headers = trait.putObject("headers");
    headers.put("type", "object");
    headers.put(
        "description",
        "CloudEvents 1.0, binary mode. No header names a data subject or a sample. A tombstone has none of them.");
    headers
        .putArray("required")
        .add("content-type")
        .add("ce_specversion")
        .add("ce_id")
        .add("ce_source")
        .add("ce_type");
    ObjectNode properties = headers.putObject("properties");
    header(properties, "content-type", "Media type of the value.")
        .put("const", CloudEvent.CONTENT_TYPE);
    header(properties, "ce_specversion", "CloudEvents version.")
        .put("const", CloudEvent.SPEC_VERSION);
    header(
        properties,
        "ce_id",
        "With ce_source it names the occurrence; a record that is written again after a crash has the same.");
    header(properties, "ce_source", "The part of Lethe that says it.")
        .put("format", "uri-reference");
    header(properties, "ce_type", "Full name of the Avro record.");
    header(properties, "ce_subject", "The model, request, job or dataset that it is about.");
    header(properties, "ce_time", "When it happened; absent from Fisher chunks.")
        .put("format", "date-time");
    header(properties, "ce_dataschema", "The writer's schema in the registry.")
        .put("format", "uri");
    header(
        properties,
        "traceparent",
        "W3C trace context: of a request, and of its receipt; of a job, its outcome and model version that of the first request in the batch.");
    header(properties, "tracestate", "W3C trace context.");
    header(
        properties,
        "ce_tracelinks",
        "Of what comes of a batch: the traceparents of its requests, at most 128, separated by commas.");
    return trait;
  }

  private static ObjectNode deadLetterHeaders() {
    ObjectNode headers = NODES.objectNode();
    headers.put("type", "object");
    ObjectNode properties = headers.putObject("properties");
    header(properties, "__streams.errors.exception", "Class of the error.");
    header(properties, "__streams.errors.message", "What was wrong.");
    header(properties, "__streams.errors.stacktrace", "Where it was found.");
    header(properties, "__streams.errors.topic", "The record's topic.");
    header(properties, "__streams.errors.partition", "The record's partition.");
    header(properties, "__streams.errors.offset", "The record's offset.");
    return headers;
  }

  private static ObjectNode header(ObjectNode properties, String name, String description) {
    return properties.putObject(name).put("type", "string").put("description", description);
  }

  private static ObjectNode avro(Class<?> type) {
    try {
      return (ObjectNode) plain(MAPPER.readTree(SpecificData.get().getSchema(type).toString()));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a schema is always JSON", e);
    }
  }

  /** Without what the generated classes say to Avro's Java library alone. */
  private static JsonNode plain(JsonNode schema) {
    if (schema instanceof ArrayNode array) {
      ArrayNode items = NODES.arrayNode();
      array.forEach(item -> items.add(plain(item)));
      return items;
    }
    if (!(schema instanceof ObjectNode object)) {
      return schema;
    }
    ObjectNode fields = NODES.objectNode();
    object
        .properties()
        .forEach(
            field -> {
              if (!field.getKey().equals("avro.java.string")) {
                fields.set(field.getKey(), plain(field.getValue()));
              }
            });
    boolean onlyType = fields.size() == 1 && fields.path("type").isTextual();
    return onlyType ? fields.path("type") : fields;
  }

  private String description(Method method) {
    if (method.getName().equals(FEEDBACK)) {
      return "Inside the application, from tracking to intake: what has to reach the partition that knows a request.";
    }
    return isEvent(method)
        ? SpecificData.get().getSchema(type(method, 1)).getDoc()
        : "Records that could not be read or processed, as they came, with error headers;"
            + " without the value where it does not fit.";
  }

  private String messageName(Method method) {
    return isEvent(method) ? type(method, 1).getSimpleName() : "DeadLetter";
  }

  private boolean isEvent(Method method) {
    return SpecificRecord.class.isAssignableFrom(type(method, 1));
  }

  private Topic<?, ?> topic(Method method) {
    try {
      return (Topic<?, ?>) method.invoke(topics);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException(method.getName(), e);
    }
  }

  /** The class of a topic's keys (0) or values (1). */
  private static Class<?> type(Method method, int index) {
    Type argument =
        ((ParameterizedType) method.getGenericReturnType()).getActualTypeArguments()[index];
    return (Class<?>) argument;
  }

  private static String capital(String name) {
    return Character.toUpperCase(name.charAt(0)) + name.substring(1);
  }
}
