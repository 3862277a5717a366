package io.lethe.schemas.serde;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;

/**
 * Confluent's wire format: a zero byte, the schema's id as big-endian int32, the Avro binary
 * encoding.
 */
final class WireFormat {
  static final byte MAGIC = 0;
  static final int HEADER_BYTES = 1 + Integer.BYTES;

  private WireFormat() {}

  static void writeHeader(ByteArrayOutputStream out, int schemaId) {
    out.write(MAGIC);
    out.write(schemaId >>> 24);
    out.write(schemaId >>> 16);
    out.write(schemaId >>> 8);
    out.write(schemaId);
  }

  static boolean hasHeader(byte[] data) {
    return data.length >= HEADER_BYTES && data[0] == MAGIC;
  }

  /** The id of data that {@link #hasHeader}. */
  static int schemaId(byte[] data) {
    return ByteBuffer.wrap(data).getInt(1);
  }
}
