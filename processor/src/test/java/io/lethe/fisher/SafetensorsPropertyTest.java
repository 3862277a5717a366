package io.lethe.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.Size;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;

class SafetensorsPropertyTest {
  private static Path directory;

  @BeforeContainer
  static void folder() throws IOException {
    directory = Files.createTempDirectory("safetensors");
  }

  @AfterContainer
  static void remove() throws IOException {
    try (var files = Files.list(directory)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(directory);
  }

  /** A tensor's shape, and the seed of its values. */
  record Plan(List<Long> shape, long seed, boolean wide) {
    int size() {
      return (int) shape.stream().mapToLong(d -> d).reduce(1, (a, b) -> a * b);
    }

    float[] floats() {
      Random random = new Random(seed);
      float[] values = new float[size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = Float.intBitsToFloat(random.nextInt()); // NaN and infinity among them
      }
      return values;
    }

    double[] doubles() {
      Random random = new Random(seed);
      double[] values = new double[size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = Double.longBitsToDouble(random.nextLong());
      }
      return values;
    }

    Safetensors.Tensor tensor(String name) {
      return wide
          ? Safetensors.Tensor.of(name, shape, doubles())
          : Safetensors.Tensor.of(name, shape, floats());
    }
  }

  @Provide
  Arbitrary<Plan> plans() {
    return Combinators.combine(
            Arbitraries.longs().between(0, 7).list().ofMaxSize(4),
            Arbitraries.longs(),
            Arbitraries.of(true, false))
        .as(Plan::new);
  }

  @Provide
  Arbitrary<Map<String, Plan>> files() {
    return Arbitraries.maps(
            Arbitraries.strings().filter(name -> !name.equals("__metadata__") && isText(name)),
            plans())
        .ofMaxSize(6);
  }

  @Provide
  Arbitrary<Map<String, String>> metadata() {
    Arbitrary<String> text = Arbitraries.strings().filter(SafetensorsPropertyTest::isText);
    return Arbitraries.maps(text, text).ofMaxSize(4);
  }

  /** Whether UTF-8 can hold it: a lone surrogate is no text. */
  private static boolean isText(String text) {
    return StandardCharsets.UTF_8.newEncoder().canEncode(text);
  }

  @Property(tries = 300)
  void whatIsWrittenIsReadBitForBitAndInOrder(
      @ForAll("files") Map<String, Plan> plan, @ForAll("metadata") Map<String, String> metadata)
      throws IOException {
    Path file = directory.resolve("a");
    Path again = directory.resolve("b");
    Map<String, Plan> ordered = new LinkedHashMap<>(plan);
    List<Safetensors.Tensor> tensors = new ArrayList<>();
    ordered.forEach((name, p) -> tensors.add(p.tensor(name)));

    Safetensors.write(file, metadata, tensors);
    Safetensors.write(again, metadata, tensors);

    assertThat(Files.mismatch(file, again)).isEqualTo(-1);
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertThat(read.metadata()).isEqualTo(metadata);
      assertThat(read.entries())
          .extracting(SafetensorsFile.Entry::name)
          .containsExactlyElementsOf(ordered.keySet());
      for (SafetensorsFile.Entry entry : read.entries()) {
        Plan p = ordered.get(entry.name());
        assertThat(entry.shape()).isEqualTo(p.shape());
        if (p.wide()) {
          assertThat(bits(read.doubles(entry.name()))).containsExactly(bits(p.doubles()));
        } else {
          assertThat(bits(read.floats(entry.name()))).containsExactly(bits(p.floats()));
        }
      }
    }
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
    return bits;
  }

  private static long[] bits(double[] values) {
    return Arrays.stream(values).mapToLong(Double::doubleToRawLongBits).toArray();
  }

  /** Pieces of headers, in any order: most are nonsense, some are nearly right. */
  @Provide
  Arbitrary<String> headers() {
    return Arbitraries.of(
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"b\"",
            "\"dtype\"",
            "\"shape\"",
            "\"data_offsets\"",
            "\"__metadata__\"",
            "\"F32\"",
            "\"BF16\"",
            "0",
            "1",
            "4",
            "8",
            "-1",
            "9223372036854775807",
            "1e9",
            "null",
            "true",
            " ",
            "\u0000",
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}",
            "\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[8,8]}")
        .list()
        .ofMaxSize(12)
        .map(pieces -> String.join("", pieces));
  }

  @Property(tries = 3_000)
  void anyHeaderIsReadOrRefused(
      @ForAll("headers") String header, @ForAll @Size(max = 8) byte[] data) throws IOException {
    openOrRefuse(header.getBytes(StandardCharsets.UTF_8), data);
  }

  @Property(tries = 2_000)
  void anyBytesAreReadOrRefused(
      @ForAll @Size(max = 120) byte[] header, @ForAll @Size(max = 8) byte[] data)
      throws IOException {
    openOrRefuse(header, data);
  }

  /** What opens holds together: each tensor lies in the file, and can be read where it is F32. */
  private static void openOrRefuse(byte[] header, byte[] data) throws IOException {
    Path file = directory.resolve("fuzz");
    Files.write(
        file,
        ByteBuffer.allocate(8 + header.length + data.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(header.length)
            .put(header)
            .put(data)
            .array());
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      long bytes = 0;
      for (SafetensorsFile.Entry entry : read.entries()) {
        bytes += entry.end() - entry.begin();
        if (entry.type().equals("F32")) {
          assertThat(read.floats(entry.name()).length * 4L).isEqualTo(entry.end() - entry.begin());
        }
      }
      assertThat(bytes).isEqualTo(data.length);
    } catch (SafetensorsException e) {
      assertThat(e.getMessage().lines()).hasSize(1);
    }
  }
}
