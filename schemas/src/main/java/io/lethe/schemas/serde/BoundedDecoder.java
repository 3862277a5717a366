package io.lethe.schemas.serde;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.avro.AvroRuntimeException;
import org.apache.avro.io.Decoder;
import org.apache.avro.util.Utf8;

/**
 * Avro's binary encoding over one record's bytes, which believes no length beyond them: a string,
 * bytes or fixed is at most what is left, and all collections together have at most as many items
 * as the record has bytes. Hence arrays and maps whose items take no bytes (null, an empty record)
 * are refused.
 *
 * <p>RATIONALE: Avro's own {@code BinaryDecoder} allocates a declared length before it looks for
 * the bytes, and its limits ({@code org.apache.avro.limits.*}) are system properties of the whole
 * JVM. Here the bound follows from the record, needs no setting, and is tight.
 */
final class BoundedDecoder extends Decoder {
  private final byte[] bytes;
  private final int end;
  private int position;
  private int itemsLeft;

  BoundedDecoder(byte[] bytes, int offset) {
    this.bytes = bytes;
    this.position = offset;
    this.end = bytes.length;
    this.itemsLeft = end - offset;
  }

  int remaining() {
    return end - position;
  }

  @Override
  public void readNull() {}

  @Override
  public boolean readBoolean() throws IOException {
    return bytes[take(1)] == 1;
  }

  @Override
  public int readInt() throws IOException {
    long value = readLong();
    if ((int) value != value) {
      throw new AvroRuntimeException("An int is out of range");
    }
    return (int) value;
  }

  @Override
  public long readLong() throws IOException {
    long zigzag = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      byte next = bytes[take(1)];
      zigzag |= (next & 0x7FL) << shift;
      if (next >= 0) {
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
    }
    throw new AvroRuntimeException("A number takes more than ten bytes");
  }

  @Override
  public float readFloat() throws IOException {
    return Float.intBitsToFloat(littleEndianInt(take(4)));
  }

  @Override
  public double readDouble() throws IOException {
    int at = take(8);
    return Double.longBitsToDouble(
        (littleEndianInt(at) & 0xFFFFFFFFL) | ((long) littleEndianInt(at + 4) << 32));
  }

  private int littleEndianInt(int at) {
    return (bytes[at] & 0xFF)
        | (bytes[at + 1] & 0xFF) << 8
        | (bytes[at + 2] & 0xFF) << 16
        | bytes[at + 3] << 24;
  }

  @Override
  public Utf8 readString(Utf8 old) throws IOException {
    int length = readLength();
    int at = take(length);
    Utf8 string = old == null ? new Utf8() : old;
    string.setByteLength(length);
    System.arraycopy(bytes, at, string.getBytes(), 0, length);
    return string;
  }

  @Override
  public String readString() throws IOException {
    int length = readLength();
    return new String(bytes, take(length), length, StandardCharsets.UTF_8);
  }

  @Override
  public void skipString() throws IOException {
    skipBytes();
  }

  @Override
  public ByteBuffer readBytes(ByteBuffer old) throws IOException {
    byte[] copy = new byte[readLength()];
    readFixed(copy, 0, copy.length);
    return ByteBuffer.wrap(copy);
  }

  @Override
  public void skipBytes() throws IOException {
    skipFixed(readLength());
  }

  @Override
  public void readFixed(byte[] target, int start, int length) throws IOException {
    System.arraycopy(bytes, take(length), target, start, length);
  }

  @Override
  public void skipFixed(int length) throws IOException {
    take(length);
  }

  @Override
  public int readEnum() throws IOException {
    return readInt();
  }

  @Override
  public int readIndex() throws IOException {
    return readInt();
  }

  @Override
  public long readArrayStart() throws IOException {
    return readBlock();
  }

  @Override
  public long arrayNext() throws IOException {
    return readBlock();
  }

  @Override
  public long skipArray() throws IOException {
    return skipBlocks();
  }

  @Override
  public long readMapStart() throws IOException {
    return readBlock();
  }

  @Override
  public long mapNext() throws IOException {
    return readBlock();
  }

  @Override
  public long skipMap() throws IOException {
    return skipBlocks();
  }

  private long readBlock() throws IOException {
    long count = readLong();
    if (count < 0) {
      readLength();
      count = -count;
    }
    return takeItems(count);
  }

  /**
   * Blocks that declare their size are skipped whole; 0, or the count of one that the caller must
   * skip.
   */
  private long skipBlocks() throws IOException {
    long count = readLong();
    while (count < 0) {
      takeItems(-count);
      skipFixed(readLength());
      count = readLong();
    }
    return takeItems(count);
  }

  private long takeItems(long count) throws IOException {
    // Negative only where the count was Long.MIN_VALUE.
    if (count < 0 || count > itemsLeft) {
      throw new EOFException("A collection declares more items than the record has bytes");
    }
    itemsLeft -= (int) count;
    return count;
  }

  private int readLength() throws IOException {
    long length = readLong();
    if (length < 0 || length > remaining()) {
      throw new EOFException("A length exceeds the record");
    }
    return (int) length;
  }

  /** Where the next {@code length} bytes lie; moves past them. */
  private int take(int length) throws IOException {
    if (length < 0 || length > end - position) {
      throw new EOFException("The record ends too early");
    }
    int at = position;
    position += length;
    return at;
  }
}
