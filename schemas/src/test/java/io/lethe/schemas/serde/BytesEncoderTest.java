package io.lethe.schemas.serde;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.Encoder;
import org.apache.avro.io.EncoderFactory;
import org.junit.jupiter.api.Test;

class BytesEncoderTest {
  private static final int TEXTS = 200;

  /** Of one, two, three and four bytes, so that text changes from plain to wide within itself. */
  private static final int[] CODE_POINTS = {'a', 0x7F, 0x80, 0x7FF, 0x20AC, 0x1F600};

  private final Random random = new Random(1);

  @Test
  void writesWhatAvroWrites() throws IOException {
    List<String> texts = texts();
    assertArrayEquals(byAvro(texts), byUs(texts));
  }

  @Test
  void twoAtOnceDoNotShareAnArray() throws IOException {
    List<String> one = texts();
    List<String> other = texts();
    byUs(one); // leaves its array behind
    BytesEncoder first = new BytesEncoder();
    write(one, first);
    BytesEncoder second = new BytesEncoder();
    write(other, second);
    byte[] ofSecond = second.toByteArray();
    byte[] ofFirst = first.toByteArray();
    write(one, new BytesEncoder()); // over what either left behind

    assertArrayEquals(byAvro(one), ofFirst);
    assertArrayEquals(byAvro(other), ofSecond);
  }

  private List<String> texts() {
    List<String> texts = new ArrayList<>();
    for (int i = 0; i < TEXTS; i++) {
      int kinds = 1 + random.nextInt(CODE_POINTS.length);
      StringBuilder text = new StringBuilder();
      for (int length = random.nextInt(300); length > 0; length--) {
        text.appendCodePoint(CODE_POINTS[random.nextInt(kinds)]);
      }
      texts.add(text.toString());
    }
    return texts;
  }

  private static byte[] byUs(List<String> texts) throws IOException {
    BytesEncoder out = new BytesEncoder();
    write(texts, out);
    return out.toByteArray();
  }

  private static byte[] byAvro(List<String> texts) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    BinaryEncoder out = EncoderFactory.get().binaryEncoder(bytes, null);
    write(texts, out);
    out.flush();
    return bytes.toByteArray();
  }

  private static void write(List<String> texts, Encoder out) throws IOException {
    for (String text : texts) {
      out.writeString(text);
    }
    out.writeLong(texts.size());
  }
}
