package io.lethe.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
  @TempDir Path directory;

  @Test
  void readsWhatItWroteInOrder() throws IOException {
    Path file = directory.resolve("f.safetensors");
    float[] floats = {1f, -0f, Float.MIN_VALUE, Float.MAX_VALUE, 5f, 6f};
    double[] doubles = {Math.PI};
    Safetensors.write(
        file,
        Map.of("key", "a \"quoted\" value"),
        List.of(
            Safetensors.Tensor.of("zebra", List.of(2L, 3L), floats),
            Safetensors.Tensor.of("apple", List.of(), doubles),
            Safetensors.Tensor.of("nothing", List.of(0L, 4L), new float[0])));

    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertThat(read.entries())
          .extracting(SafetensorsFile.Entry::name)
          .containsExactly("zebra", "apple", "nothing");
      assertThat(read.metadata()).containsEntry("key", "a \"quoted\" value");
      assertThat(read.floats("zebra")).containsExactly(floats);
      assertThat(read.doubles("apple")).containsExactly(doubles);
      assertThat(read.floats("nothing")).isEmpty();
    }
    ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    assertThat(bytes.getLong(0) % 8).isZero();
  }

  @Test
  void readsTheFormatsOwnExample() throws IOException {
    // By hand after the format's description, not by the writer under test.
    String header =
        "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}   ";
    Path file = write(header, new byte[] {0, 0, (byte) 0x80, 0x3f, 0, 0, 0, 0x40});

    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertThat(read.floats("a")).containsExactly(1f);
      assertThat(read.floats("b")).containsExactly(2f);
    }
  }

  @Test
  void aDiagonalKeepsItsCount() throws IOException {
    Path file = directory.resolve("d.safetensors");
    FisherDiagonal diagonal =
        new FisherDiagonal(
            List.of(new FisherDiagonal.Tensor("w", List.of(2L), new float[] {1f, 2f})), 60_000);

    Safetensors.write(file, Map.of(), diagonal);

    assertThat(SafetensorsFile.readDiagonal(file)).usingRecursiveComparison().isEqualTo(diagonal);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[9223372036854775807,4],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,9]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2.5],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,99999999999999999999]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}",
        "{\"a\":7}",
        "{\"a\\nb\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
        "[1]",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}",
        "{} x",
        " {\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"__metadata__\":{\"k\":1}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"more\":0}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}}",
        "{}",
      })
  void refusesAHostileHeader(String header) throws IOException {
    Path file = write(header, new byte[8]);

    assertThatThrownBy(() -> SafetensorsFile.open(file))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageStartingWith(file.toString())
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
  }

  @ParameterizedTest
  @ValueSource(longs = {-1, 0, 1, 17, 1L << 40, Long.MIN_VALUE})
  void refusesAHeaderLongerThanTheFile(long length) throws IOException {
    Path file = directory.resolve("h.safetensors");
    Files.write(
        file, ByteBuffer.allocate(24).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array());

    assertThatThrownBy(() -> SafetensorsFile.open(file)).isInstanceOf(SafetensorsException.class);
  }

  @Test
  void refusesTextThatIsNotUtf8AndAListWithoutAnEnd() throws IOException {
    Path file =
        write("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", new byte[8]);
    byte[] bytes = Files.readAllBytes(file);
    bytes[10] = (byte) 0xff;
    Files.write(file, bytes);
    assertThatThrownBy(() -> SafetensorsFile.open(file)).hasMessageEndingWith("not UTF-8");

    Path list =
        write(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[" + "1,".repeat(1_000_000) + "2]}}", new byte[8]);
    assertThatThrownBy(() -> SafetensorsFile.open(list))
        .isInstanceOf(SafetensorsException.class)
        .hasMessageContaining("more than 64 numbers");
  }

  @Test
  void theWriterRefusesANameThatIsTaken() {
    Safetensors.Tensor one = Safetensors.Tensor.of("w", List.of(1L), new float[1]);
    Safetensors.Tensor reserved = Safetensors.Tensor.of("__metadata__", List.of(1L), new float[1]);
    Path file = directory.resolve("n.safetensors");

    assertThatThrownBy(() -> Safetensors.write(file, Map.of(), List.of(one, one)))
        .hasMessage("tensor w: its name is taken");
    assertThatThrownBy(() -> Safetensors.write(file, Map.of(), List.of(reserved)))
        .isInstanceOf(IllegalArgumentException.class);
    assertThat(directory).isEmptyDirectory();
  }

  /** A sparse file: it takes no space on the disk. */
  @Test
  void readsBeyondTwoGibibytes() throws IOException {
    long large = 3L << 30;
    String header =
        ("{\"large\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]},"
                + "\"huge\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[%d,%d]},"
                + "\"small\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[%d,%d]}}")
            .formatted(large, large, large, large, 5 * large, 5 * large, 5 * large + 8);
    Path file = write(header, new byte[0]);
    long start = Files.size(file);
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE)) {
      channel.write(
          ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putFloat(1.5f).putFloat(-2f).flip(),
          start + 5 * large);
    }

    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertThat(read.entries().get(2).begin()).isEqualTo(5 * large);
      assertThat(read.floats("small")).containsExactly(1.5f, -2f);
      assertThatThrownBy(() -> read.floats("huge"))
          .isInstanceOf(SafetensorsException.class)
          .hasMessageContaining("tensor huge is too large");
    }
    Files.delete(file);
  }

  @Test
  void writesOffsetsBeyondTwoGibibytes() throws IOException {
    float[] shared = new float[1 << 24];
    List<Safetensors.Tensor> tensors =
        IntStream.range(0, 40)
            .mapToObj(i -> Safetensors.Tensor.of("t" + i, List.of((long) shared.length), shared))
            .toList();

    String header = new String(Safetensors.header(Map.of(), tensors), StandardCharsets.UTF_8);

    assertThat(header).contains("\"data_offsets\":[2617245696,2684354560]");
  }

  @Test
  void aDamagedFileNeverThrowsAnythingElse() throws IOException {
    Path file = directory.resolve("g.safetensors");
    Safetensors.write(
        file, Map.of("k", "v"), List.of(Safetensors.Tensor.of("w", List.of(2L), new float[2])));
    byte[] good = Files.readAllBytes(file);
    Random random = new Random(1);
    int opened = 0;
    for (int i = 0; i < 2_000; i++) {
      byte[] bad =
          java.util.Arrays.copyOf(good, good.length - (i % 3 == 0 ? random.nextInt(9) : 0));
      for (int flips = random.nextInt(4); flips >= 0; flips--) {
        bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      }
      Files.write(file, bad);
      try (SafetensorsFile read = SafetensorsFile.open(file)) {
        read.entries();
        opened++;
      } catch (SafetensorsException e) {
        assertThat(e).hasMessageContaining("not a safetensors file");
      }
    }
    assertThat(opened).isLessThan(1_900);
  }

  private Path write(String header, byte[] data) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    Path file = directory.resolve("x.safetensors");
    Files.write(
        file,
        ByteBuffer.allocate(8 + json.length + data.length)
            .order(ByteOrder.LITTLE_ENDIAN)
            .putLong(json.length)
            .put(json)
            .put(data)
            .array());
    return file;
  }
}
