package io.lethe.dataset;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;

/** Numbers of all samples in a row, as a file holds them. */
interface Values {
  int length();

  float get(int position);

  void digest(MessageDigest sha);

  /** Bytes, scaled to 0..1. */
  record Bytes(byte[] bytes) implements Values {
    @Override
    public int length() {
      return bytes.length;
    }

    @Override
    public float get(int position) {
      return (bytes[position] & 0xff) / 255f;
    }

    @Override
    public void digest(MessageDigest sha) {
      sha.update(bytes);
    }
  }

  /** Floats as they are. */
  record Floats(float[] floats) implements Values {
    @Override
    public int length() {
      return floats.length;
    }

    @Override
    public float get(int position) {
      return floats[position];
    }

    @Override
    public void digest(MessageDigest sha) {
      ByteBuffer buffer = ByteBuffer.allocate(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
      for (float value : floats) {
        if (!buffer.hasRemaining()) {
          sha.update(buffer.flip());
          buffer.clear();
        }
        buffer.putFloat(value);
      }
      sha.update(buffer.flip());
    }
  }
}
