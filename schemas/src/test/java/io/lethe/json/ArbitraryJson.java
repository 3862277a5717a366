package io.lethe.json;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Instant;
import java.util.Base64;
import java.util.Random;
import java.util.UUID;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;

/** Records of any schema, by way of {@link JsonRecords}. */
public final class ArbitraryJson {
  private ArbitraryJson() {}

  /** JSON of the schema's form with arbitrary values. */
  public static JsonNode of(Schema schema, Random random) {
    JsonNodeFactory nodes = JsonNodeFactory.instance;
    switch (schema.getType()) {
      case RECORD:
        ObjectNode object = nodes.objectNode();
        for (Schema.Field field : schema.getFields()) {
          if (!field.schema().isNullable() || random.nextBoolean()) {
            object.set(field.name(), of(JsonRecords.nonNull(field.schema()), random));
          }
        }
        return object;
      case ARRAY:
        ArrayNode array = nodes.arrayNode();
        for (int i = random.nextInt(3); i > 0; i--) {
          array.add(of(schema.getElementType(), random));
        }
        return array;
      case MAP:
        ObjectNode map = nodes.objectNode();
        for (int i = random.nextInt(3); i > 0; i--) {
          map.set("key " + i, of(schema.getValueType(), random));
        }
        return map;
      case ENUM:
        return nodes.textNode(
            schema.getEnumSymbols().get(random.nextInt(schema.getEnumSymbols().size())));
      case STRING:
        return nodes.textNode(
            schema.getLogicalType() instanceof LogicalTypes.Uuid
                ? new UUID(random.nextLong(), random.nextLong()).toString()
                : "täxt \"" + random.nextInt() + "\"\n");
      case BYTES:
        byte[] bytes = new byte[random.nextInt(9)];
        random.nextBytes(bytes);
        return nodes.textNode(Base64.getEncoder().encodeToString(bytes));
      case LONG:
        return schema.getLogicalType() instanceof LogicalTypes.TimestampMicros
            ? nodes.textNode(
                Instant.ofEpochSecond(random.nextInt(), random.nextInt(1000000) * 1000L).toString())
            : nodes.numberNode(random.nextLong());
      case INT:
        return nodes.numberNode(random.nextInt());
      case DOUBLE:
        return nodes.numberNode(random.nextGaussian());
      case BOOLEAN:
        return nodes.booleanNode(random.nextBoolean());
      default:
        throw new IllegalArgumentException(schema.toString());
    }
  }
}
