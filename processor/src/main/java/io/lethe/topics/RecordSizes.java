package io.lethe.topics;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** Sizes before compression, as producers measure them. */
public final class RecordSizes {
  /** Room for the headers of the batch and the record, and for compression that makes larger. */
  public static final int ROOM = 4096;

  /** Lengths of a header's name and value. */
  private static final int HEADER_LENGTHS = 10;

  private RecordSizes() {}

  /** Of a key or a value; null has none. */
  public static long of(byte[] part) {
    return part == null ? 0 : part.length;
  }

  /** Of the record's headers; null has none. */
  public static long of(Headers headers) {
    if (headers == null) {
      return 0;
    }
    long size = 0;
    for (Header header : headers) {
      size += HEADER_LENGTHS + header.key().getBytes(StandardCharsets.UTF_8).length;
      size += of(header.value());
    }
    return size;
  }
}
