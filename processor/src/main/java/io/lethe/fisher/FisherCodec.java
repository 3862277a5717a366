package io.lethe.fisher;

import com.github.luben.zstd.Zstd;
import com.github.luben.zstd.ZstdException;
import io.lethe.events.FisherEncoding;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * A run of sums as bytes, in one of two encodings.
 *
 * <p>FLOAT32 is little-endian and exact. BFLOAT16_ZSTD keeps the upper 16 bits of each float32,
 * rounded to the nearest (ties to even), so that a value is off by at most 2⁻⁸ of itself, 0.4 %;
 * the upper bytes come first, then the lower ones, since the former repeat and compress; then zstd.
 * No value becomes zero or infinite that was not so before, but for the smallest subnormal ones;
 * float16 would flush some per cent of a network's sums to zero.
 */
final class FisherCodec {
  private static final int ZSTD_LEVEL = 3;
  private static final int LARGEST_BFLOAT16 = 0x7f7f;

  private FisherCodec() {}

  /** Encodes {@code values[from]} to {@code values[from + length - 1]}. */
  static byte[] encode(FisherEncoding encoding, float[] values, int from, int length) {
    return switch (encoding) {
      case FLOAT32 -> {
        byte[] data = new byte[length * Float.BYTES];
        littleEndian(data).asFloatBuffer().put(values, from, length);
        yield data;
      }
      case BFLOAT16_ZSTD -> {
        byte[] shuffled = new byte[2 * length];
        for (int i = 0; i < length; i++) {
          int half = toBfloat16(values[from + i]);
          shuffled[i] = (byte) (half >> 8);
          shuffled[length + i] = (byte) half;
        }
        yield Zstd.compress(shuffled, ZSTD_LEVEL);
      }
    };
  }

  /**
   * Decodes exactly {@code length} values into {@code values} from index {@code from}.
   *
   * @throws IllegalArgumentException saying what is wrong with the data; nothing is allocated for
   *     what the data claims
   */
  static void decode(FisherEncoding encoding, byte[] data, float[] values, int from, int length) {
    switch (encoding) {
      case FLOAT32 -> {
        if (data.length != (long) length * Float.BYTES) {
          throw new IllegalArgumentException(
              "holds %d bytes, not %d".formatted(data.length, (long) length * Float.BYTES));
        }
        littleEndian(data).asFloatBuffer().get(values, from, length);
      }
      case BFLOAT16_ZSTD -> {
        byte[] shuffled = new byte[2 * length];
        try {
          if (Zstd.decompress(shuffled, data) != shuffled.length) {
            throw new IllegalArgumentException(
                "holds not the %d values that it must".formatted(length));
          }
        } catch (ZstdException e) {
          throw new IllegalArgumentException("is not what zstd wrote for its values", e);
        }
        for (int i = 0; i < length; i++) {
          values[from + i] =
              Float.intBitsToFloat(shuffled[i] << 24 | (shuffled[length + i] & 0xff) << 16);
        }
      }
    }
  }

  /** Number of values that the data claims to hold, or -1 where it holds none. */
  static long claimedValues(FisherEncoding encoding, byte[] data) {
    return switch (encoding) {
      case FLOAT32 -> data.length % Float.BYTES == 0 ? data.length / Float.BYTES : -1;
      case BFLOAT16_ZSTD -> {
        long bytes = data.length == 0 ? -1 : Zstd.getFrameContentSize(data);
        yield bytes >= 0 && bytes % 2 == 0 ? bytes / 2 : -1;
      }
    };
  }

  /** CRC-32C (Castagnoli). */
  static int crc32c(byte[] data, int from) {
    CRC32C crc = new CRC32C();
    crc.update(data, from, data.length - from);
    return (int) crc.getValue();
  }

  private static int toBfloat16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value) || Float.isInfinite(value)) {
      return bits >>> 16 & 0xffff;
    }
    int rounded = bits + 0x7fff + (bits >>> 16 & 1) >>> 16;
    boolean overflown = (rounded & 0x7fff) > LARGEST_BFLOAT16;
    return overflown ? rounded & 0x8000 | LARGEST_BFLOAT16 : rounded;
  }

  private static ByteBuffer littleEndian(byte[] data) {
    return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }
}
