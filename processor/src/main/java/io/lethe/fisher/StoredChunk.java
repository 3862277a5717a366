package io.lethe.fisher;

import io.lethe.events.FisherEncoding;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * A chunk as it lies in a store: a byte that names the encoding, the CRC-32C of what follows it,
 * and the data.
 */
final class StoredChunk {
  private static final int HEADER = 1 + Integer.BYTES;
  private static final FisherEncoding[] ENCODINGS = {
    FisherEncoding.FLOAT32, FisherEncoding.BFLOAT16_ZSTD
  };

  private StoredChunk() {}

  static byte[] write(FisherChunks.Encoded chunk) {
    ByteBuffer stored = ByteBuffer.allocate(HEADER + chunk.data().length);
    stored.put((byte) Arrays.asList(ENCODINGS).indexOf(chunk.encoding()));
    stored.putInt(FisherCodec.crc32c(chunk.data(), 0)).put(chunk.data());
    return stored.array();
  }

  /**
   * Takes a stored chunk apart; null stays null.
   *
   * @throws IllegalArgumentException where a bit of it is not as it was written
   */
  static FisherChunks.Encoded read(String tensor, int index, byte[] stored) {
    if (stored == null) {
      return null;
    }
    if (stored.length < HEADER
        || stored[0] < 0
        || stored[0] >= ENCODINGS.length
        || ByteBuffer.wrap(stored).getInt(1) != FisherCodec.crc32c(stored, HEADER)) {
      throw new IllegalArgumentException(
          "chunk %d of tensor %s is damaged: its checksum is wrong".formatted(index, tensor));
    }
    return new FisherChunks.Encoded(
        ENCODINGS[stored[0]], Arrays.copyOfRange(stored, HEADER, stored.length));
  }
}
