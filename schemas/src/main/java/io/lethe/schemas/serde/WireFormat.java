package io.lethe.schemas.serde;

import java.nio.ByteBuffer;

/**
 * Confluent's wire format: a zero byte, the schema's id as big-endian int32, the Avro binary
 * encoding.
 */
final class WireFormat {
  static final byte MAGIC = 0;
  static final int HEADER_BYTES = 1 + Integer.BYTES;

  private WireFormat() {}

  static byte[] header(int schemaId) {
    return ByteBuffer.allocate(HEADER_BYTES).put(MAGIC).putInt(schemaId).array();
  }

  static boolean hasHeader(byte[] data) {
    return data.length >= HEADER_BYTES && data[0] == MAGIC;
  }

  /** The id of data that {@link #hasHeader}. */
  static int schemaId(byte[] data) {
    return ByteBuffer.wrap(data).getInt(1);
  }
}
