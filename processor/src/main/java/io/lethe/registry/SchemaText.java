package io.lethe.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.schemas.client.RegistryError;
import java.util.TreeMap;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;

/** Schemas from the text that clients send. Refuses what is none. */
final class SchemaText {
  private static final ObjectMapper JSON = new ObjectMapper();

  private SchemaText() {}

  static Schema parse(String text) {
    try {
      return new Schema.Parser().parse(text);
    } catch (AvroRuntimeException | StackOverflowError e) {
      throw invalid(e.getMessage());
    }
  }

  /**
   * The same schema for texts that differ in the order of attributes only. Avro prints its own
   * attributes in one order and names with one namespace anyhow, but the other properties as they
   * came: here they are sorted.
   */
  static Schema normalized(String text) {
    try {
      return parse(sorted(JSON.readTree(text)).toString());
    } catch (JsonProcessingException | StackOverflowError e) {
      throw invalid("not JSON");
    }
  }

  private static JsonNode sorted(JsonNode node) {
    if (node instanceof ArrayNode array) {
      ArrayNode copy = JSON.createArrayNode();
      array.forEach(item -> copy.add(sorted(item)));
      return copy;
    }
    if (node instanceof ObjectNode object) {
      TreeMap<String, JsonNode> fields = new TreeMap<>();
      object.properties().forEach(e -> fields.put(e.getKey(), sorted(e.getValue())));
      return JSON.createObjectNode().setAll(fields);
    }
    return node;
  }

  private static RegistryRefusal invalid(String reason) {
    return new RegistryRefusal(RegistryError.INVALID_SCHEMA, "Invalid Avro schema: " + reason);
  }
}
