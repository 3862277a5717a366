package io.lethe.schemas.serde;

import java.io.IOException;
import java.time.Instant;
import org.apache.avro.io.Encoder;

/**
 * A generated record that encodes itself: the same bytes as Avro's writer makes with the record's
 * own schema, which that asks for each field of each record. See {@code
 * src/main/avro-templates/record.vm}.
 */
public interface SelfEncoding {
  int MICROS_PER_SECOND = 1_000_000;
  int NANOS_PER_MICRO = 1_000;

  /** Writes the fields, in the order of the record's schema. */
  void encodeTo(Encoder out) throws IOException;

  /** The form of Avro's {@code timestamp-micros}; cuts off what is less than a microsecond. */
  static long micros(Instant instant) {
    return Math.addExact(
        Math.multiplyExact(instant.getEpochSecond(), (long) MICROS_PER_SECOND),
        instant.getNano() / NANOS_PER_MICRO);
  }
}
