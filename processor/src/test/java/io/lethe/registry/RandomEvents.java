package io.lethe.registry;

import java.nio.ByteBuffer;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import java.util.stream.IntStream;
import org.apache.avro.LogicalTypes;
import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificData;
import org.apache.avro.specific.SpecificRecord;

/** Records of generated classes with arbitrary content; the same for the same seed. */
final class RandomEvents {
  private final Random random;

  RandomEvents(long seed) {
    this.random = new Random(seed);
  }

  <T extends SpecificRecord> T next(Class<T> type) {
    return type.cast(value(SpecificData.get().getSchema(type)));
  }

  private Object value(Schema schema) {
    return switch (schema.getType()) {
      case RECORD -> record(schema);
      case ENUM ->
          SpecificData.get()
              .createEnum(
                  schema.getEnumSymbols().get(random.nextInt(schema.getEnumSymbols().size())),
                  schema);
      case ARRAY -> items(schema.getElementType());
      case MAP -> entries(schema.getValueType());
      case UNION -> value(schema.getTypes().get(random.nextInt(schema.getTypes().size())));
      case STRING ->
          LogicalTypes.uuid().equals(schema.getLogicalType())
              ? new UUID(random.nextLong(), random.nextLong())
              : text();
      case BYTES -> ByteBuffer.wrap(bytes());
      case INT -> random.nextInt();
      case LONG ->
          LogicalTypes.timestampMicros().equals(schema.getLogicalType())
              ? Instant.ofEpochSecond(random.nextInt(), random.nextInt(1_000_000_000))
                  .truncatedTo(ChronoUnit.MICROS)
              : random.nextLong();
      case FLOAT -> random.nextFloat();
      case DOUBLE -> random.nextGaussian();
      case BOOLEAN -> random.nextBoolean();
      case NULL -> null;
      default -> throw new IllegalArgumentException(schema.toString());
    };
  }

  private SpecificRecord record(Schema schema) {
    SpecificRecord record = (SpecificRecord) SpecificData.get().newRecord(null, schema);
    for (Schema.Field field : schema.getFields()) {
      record.put(field.pos(), value(field.schema()));
    }
    return record;
  }

  private List<Object> items(Schema schema) {
    return IntStream.range(0, random.nextInt(4)).mapToObj(i -> value(schema)).toList();
  }

  /** At most one, because the order of a map's entries is not defined. */
  private Map<String, Object> entries(Schema schema) {
    Map<String, Object> entries = new HashMap<>();
    if (random.nextBoolean()) {
      entries.put(text(), value(schema));
    }
    return entries;
  }

  private String text() {
    return random
        .ints(random.nextInt(12), 0x20, 0x2FF)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  private byte[] bytes() {
    byte[] bytes = new byte[random.nextInt(40)];
    random.nextBytes(bytes);
    return bytes;
  }
}
