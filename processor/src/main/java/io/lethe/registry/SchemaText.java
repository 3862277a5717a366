package io.lethe.registry;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.schemas.client.RegistryError;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.TreeMap;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.Schema;

/** Schemas from the text that clients send. Refuses what is none. */
final class SchemaText {
  private static final ObjectMapper JSON = new ObjectMapper();

  private SchemaText() {}

  static Schema parse(String text) {
    return parse(text, false, List.of(), new ArrayList<>());
  }

  /**
   * @param normalize whether texts that differ in the order of attributes only give the same schema
   * @param referenced texts of what it refers to, each after what it refers to itself
   * @param used is given the schemas of those texts
   */
  static Schema parse(
      String text, boolean normalize, Collection<String> referenced, List<Schema> used) {
    String own = normalize ? sortedText(text) : text;
    try {
      Schema.Parser parser = new Schema.Parser();
      referenced.forEach(other -> used.add(parser.parse(other)));
      return parser.parse(own);
    } catch (AvroRuntimeException | StackOverflowError e) {
      throw invalid(e.getMessage());
    }
  }

  /** A schema's text, with only the names of what it refers to. */
  // Avro has no other way to print a schema without what is defined elsewhere.
  @SuppressWarnings("deprecation")
  static String text(Schema schema, List<Schema> referenced) {
    return referenced.isEmpty() ? schema.toString() : schema.toString(referenced, false);
  }

  /**
   * The same schema for texts that differ in the order of attributes only. Avro prints its own
   * attributes in one order and names with one namespace anyhow, but the other properties as they
   * came: here they are sorted.
   */
  static Schema normalized(String text) {
    return parse(text, true, List.of(), new ArrayList<>());
  }

  private static String sortedText(String text) {
    try {
      return sorted(JSON.readTree(text)).toString();
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
