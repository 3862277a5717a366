package io.lethe.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FileReadersTest {
  @TempDir Path directory;

  @Test
  void npzOfFloatsAndTextIds() throws IOException {
    Map<String, byte[]> arrays = new LinkedHashMap<>();
    arrays.put("x", npy("<f4", "(2, 2, 2)", floats(1f, -2f, 3f, 4f, 5f, 6f, 7f, 8f)));
    arrays.put("y", npy("<i8", "(2,)", little(16).putLong(3).putLong(1).array()));
    arrays.put("ids", npy("<U3", "(2,)", utf32("a\u00e9", "xyz")));
    SampleDataset data = Datasets.open("npz:" + npz(arrays));

    assertThat(data.sampleShape()).isEqualTo(new Shape(1, 2, 2));
    assertThat(data.classes()).isEqualTo(4);
    assertThat(data.label(0)).isEqualTo(3);
    assertThat(data.sampleId(0)).isEqualTo("a\u00e9");
    assertThat(data.indexOf("xyz")).isEqualTo(OptionalInt.of(1));
    assertThat(values(data, 0)).containsExactly(1f, -2f, 3f, 4f);
  }

  @Test
  void npzOfBytesIsScaledAndItsIdsArePositions() throws IOException {
    Map<String, byte[]> arrays = new LinkedHashMap<>();
    arrays.put("x", npy("|u1", "(2, 3, 1, 1)", new byte[] {0, 51, (byte) 255, 1, 2, 3}));
    arrays.put("y", npy(">i2", "(2,)", new byte[] {0, 1, 0, 0}));
    SampleDataset data = Datasets.open("npz:" + npz(arrays));

    assertThat(data.sampleShape()).isEqualTo(new Shape(3, 1, 1));
    assertThat(values(data, 0)).containsExactly(0f, 0.2f, 1f);
    assertThat(data.label(0)).isEqualTo(1);
    assertThat(data.sampleId(1)).isEqualTo("1");
    assertThat(data.indexOf("01")).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "<f4 (9, 2, 2)",
        "<f4 (1000000, 1000000)",
        "<f4 (9223372036854775807, 9223372036854775807)",
        "<f4 (2000000000,)",
        "<f4 (400000000, 1)",
        "<f4 (1, 2)",
        "<f4 (0, 4)",
        "<f2 (4, 4)",
        "|O (2, 4)",
        "<c8 (2, 2)",
      })
  void refusesAnNpzThatClaimsTooMuchOrIsOfAnotherType(String claim) throws IOException {
    String[] parts = claim.split(" ", 2);
    Map<String, byte[]> arrays = new LinkedHashMap<>();
    arrays.put("x", npy(parts[0], parts[1], new byte[32]));
    arrays.put("y", npy("<i8", "(2,)", new byte[16]));

    assertRefused("npz:" + npz(arrays));
  }

  @Test
  void refusesLabelsAndIdsThatDoNotFit() throws IOException {
    byte[] x = npy("<f4", "(2, 1)", floats(1f, 2f));
    byte[] y = npy("<i8", "(2,)", new byte[16]);
    byte[] same = npy("<i8", "(2,)", new byte[16]);
    byte[] negative = npy("<i4", "(2,)", little(8).putInt(1).putInt(-1).array());

    assertRefused("npz:" + npz(Map.of("x", x)));
    assertRefused("npz:" + npz(Map.of("x", x, "y", npy("<f4", "(2,)", floats(1f, 2f)))));
    assertRefused("npz:" + npz(Map.of("x", x, "y", negative)));
    assertRefused("npz:" + npz(Map.of("x", x, "y", npy("<i8", "(1,)", new byte[8]))));
    assertRefused("npz:" + npz(Map.of("x", x, "y", y, "ids", same)));
    assertRefused("npz:" + npz(Map.of("x", npy("<f4", "(2, 1)", floats(1f, Float.NaN)), "y", y)));
  }

  @Test
  void aDamagedNpzIsAlwaysOneLine() throws IOException {
    Map<String, byte[]> arrays = new LinkedHashMap<>();
    arrays.put("x", npy("<f4", "(2, 2, 2)", new byte[32]));
    arrays.put("y", npy("<i8", "(2,)", new byte[16]));
    Path file = npz(arrays);
    byte[] good = Files.readAllBytes(file);
    Random random = new Random(1);
    int opened = 0;
    for (int i = 0; i < 500; i++) {
      byte[] bad = Arrays.copyOf(good, good.length - (i % 4 == 0 ? random.nextInt(80) : 0));
      for (int flips = random.nextInt(4); flips >= 0; flips--) {
        bad[random.nextInt(bad.length)] ^= (byte) (1 << random.nextInt(8));
      }
      Files.write(file, bad);
      try {
        opened += Datasets.open("npz:" + file).size() > 0 ? 1 : 0;
      } catch (DatasetException e) {
        assertThat(e.getMessage().lines()).hasSize(1);
        assertThat(e.getMessage()).contains(file.toString());
      }
    }
    assertThat(opened).isLessThan(480);
  }

  @Test
  void cifar10() throws IOException {
    Random random = new Random(1);
    for (int batch = 1; batch <= 5; batch++) {
      byte[] records = new byte[2 * 3073];
      random.nextBytes(records);
      records[0] = (byte) batch;
      records[3073] = 9;
      records[1] = (byte) (50 * batch);
      Files.write(directory.resolve("data_batch_" + batch + ".bin"), records);
    }
    SampleDataset data = Datasets.open("cifar10:" + directory + "?mean=0,0.5,0&std=1");

    assertThat(data.size()).isEqualTo(10);
    assertThat(data.sampleShape()).isEqualTo(new Shape(3, 32, 32));
    assertThat(data.label(4)).isEqualTo(3);
    assertThat(data.label(5)).isEqualTo(9);
    assertThat(data.sampleId(4)).isEqualTo("train-00004");
    assertThat(values(data, 4)[0]).isEqualTo(150 / 255f);
    assertRefused("cifar10:" + directory + "#test");
  }

  @Test
  void aTruncatedCifar10FileIsNamedWithItsOffset() throws IOException {
    Files.write(directory.resolve("test_batch.bin"), new byte[3073 + 100]);

    assertThatThrownBy(() -> Datasets.open("cifar10:" + directory + "#test"))
        .isInstanceOf(DatasetException.class)
        .hasMessageContaining("test_batch.bin: offset 3073: ends in the middle of a record");
  }

  @Test
  void aLabelOutsideTheTenClassesIsNamedWithItsOffset() throws IOException {
    byte[] records = new byte[2 * 3073];
    records[3073] = 10;
    Files.write(directory.resolve("test_batch.bin"), records);

    assertThatThrownBy(() -> Datasets.open("cifar10:" + directory + "#test"))
        .hasMessageContaining("test_batch.bin: offset 3073: label 10");
  }

  @Test
  void imagesInFolders() throws IOException {
    image("cat/b.png", 2, 1, 0xff0000, 0x00ff00);
    image("cat/a.png", 2, 1, 0x0000ff, 0xffffff);
    image("ape/z.png", 2, 1, 0x000000, 0x330000);
    Files.writeString(directory.resolve("cat/notes.txt"), "not an image");
    SampleDataset data = Datasets.open("images:" + directory);

    assertThat(data.size()).isEqualTo(3);
    assertThat(data.sampleShape()).isEqualTo(new Shape(3, 1, 2));
    assertThat(data.sampleId(0)).isEqualTo("ape/z.png");
    assertThat(data.indexOf("cat/b.png")).isEqualTo(OptionalInt.of(2));
    assertThat(data.label(2)).isEqualTo(1);
    assertThat(values(data, 2)).containsExactly(1f, 0f, 0f, 1f, 0f, 0f);
    assertThat(values(Datasets.open("images:" + directory + "?channels=1"), 1))
        .containsExactly(29 / 255f, 1f);
  }

  @Test
  void refusesImagesOfAnotherSizeAndDamagedOnes() throws IOException {
    image("a/1.png", 2, 2, 1, 2, 3, 4);
    image("a/2.png", 2, 1, 1, 2);
    assertRefused("images:" + directory);
    Files.writeString(directory.resolve("a/2.png"), "no image at all");
    assertRefused("images:" + directory);
    byte[] cut = Files.readAllBytes(directory.resolve("a/1.png"));
    Files.write(directory.resolve("a/2.png"), Arrays.copyOf(cut, cut.length / 2));
    assertRefused("images:" + directory);
  }

  private static void assertRefused(String uri) {
    assertThatThrownBy(() -> Datasets.open(uri))
        .isInstanceOf(DatasetException.class)
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
  }

  private static float[] values(SampleDataset data, int index) {
    try (NDManager manager = NDManager.newBaseManager()) {
      return data.batch(manager, new int[] {index}).get(0).toFloatArray();
    }
  }

  private void image(String path, int width, int height, int... rgb) throws IOException {
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    image.setRGB(0, 0, width, height, rgb, 0, width);
    Path file = directory.resolve(path);
    Files.createDirectories(file.getParent());
    ImageIO.write(image, "png", file.toFile());
  }

  private Path npz(Map<String, byte[]> arrays) throws IOException {
    Path file = directory.resolve("data.npz");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(file))) {
      for (Map.Entry<String, byte[]> array : arrays.entrySet()) {
        zip.putNextEntry(new ZipEntry(array.getKey() + ".npy"));
        zip.write(array.getValue());
        zip.closeEntry();
      }
    }
    return file;
  }

  /** As NumPy writes it: version 1.0, the header padded to a multiple of 64. */
  private static byte[] npy(String type, String shape, byte[] content) {
    String header = "{'descr': '%s', 'fortran_order': False, 'shape': %s, }".formatted(type, shape);
    int padding = 64 - (10 + header.length() + 1) % 64;
    header = header + " ".repeat(padding % 64) + "\n";
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.writeBytes(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0});
    bytes.writeBytes(little(2).putShort((short) header.length()).array());
    bytes.writeBytes(header.getBytes(StandardCharsets.US_ASCII));
    bytes.writeBytes(content);
    return bytes.toByteArray();
  }

  private static byte[] floats(float... values) {
    ByteBuffer bytes = little(4 * values.length);
    bytes.asFloatBuffer().put(values);
    return bytes.array();
  }

  private static byte[] utf32(String... texts) {
    ByteBuffer bytes = little(12 * texts.length);
    for (int i = 0; i < texts.length; i++) {
      int[] characters = texts[i].codePoints().toArray();
      for (int c = 0; c < characters.length; c++) {
        bytes.putInt(12 * i + 4 * c, characters[c]);
      }
    }
    return bytes.array();
  }

  private static ByteBuffer little(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
  }
}
