package io.lethe.dataset;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdxReaderTest {
  private static final Path MNIST = Path.of("../../shared/data/mnist");

  @TempDir Path directory;

  @Test
  void scalesNormalisesAndKeepsOrder() throws IOException {
    write("train-images-idx3-ubyte", images(3, 2, 2, 12), false);
    write("train-labels-idx1-ubyte", labels(3, 3), true);
    SampleDataset data = Datasets.open("idx:" + directory + "?mean=0.5&std=0.25");

    try (NDManager manager = NDManager.newBaseManager()) {
      NDList batch = data.batch(manager, new int[] {2, 0});

      assertThat(batch.get(0).getShape()).isEqualTo(new Shape(2, 1, 2, 2));
      assertThat(batch.get(0).toFloatArray())
          .containsExactly(
              value(8), value(9), value(10), value(11), value(0), value(1), value(2), value(3));
      assertThat(batch.get(1).toLongArray()).containsExactly(2L, 0L);
    }
    assertThat(data.size()).isEqualTo(3);
    assertThat(data.classes()).isEqualTo(3);
    assertThat(data.subject(0)).isEmpty();
  }

  @Test
  void idsAreStableAndFindTheirPosition() throws IOException {
    write("t10k-images-idx3-ubyte", images(3, 2, 2, 12), true);
    write("t10k-labels-idx1-ubyte", labels(3, 3), false);
    SampleDataset data = Datasets.open("idx:" + directory + "#test");

    assertThat(data.sampleId(2)).isEqualTo("test-00002");
    assertThat(data.indexOf("test-00002")).isEqualTo(OptionalInt.of(2));
    for (String unknown :
        new String[] {
          "test-00003", "test-2", "train-00002", "test-", "", "test-000002", "test-99999999999"
        }) {
      assertThat(data.indexOf(unknown)).as(unknown).isEmpty();
    }
  }

  @Test
  void aTruncatedFileIsNamedWithItsOffset() throws IOException {
    byte[] images = images(3, 2, 2, 12);
    write("train-images-idx3-ubyte", Arrays.copyOf(images, images.length - 1), false);

    assertThatThrownBy(() -> Datasets.open("idx:" + directory))
        .isInstanceOf(DatasetException.class)
        .hasMessageContaining("train-images-idx3-ubyte")
        .hasMessageContaining("offset 27: ends 1 bytes early");
  }

  @Test
  void aTruncatedGzipIsNamedWithItsOffset() throws IOException {
    byte[] images = images(3, 2, 2, 12);
    write("train-images-idx3-ubyte", images, true);
    Path file = directory.resolve("train-images-idx3-ubyte.gz");
    byte[] zipped = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(zipped, zipped.length - 12));

    assertThatThrownBy(() -> Datasets.open("idx:" + directory))
        .isInstanceOf(DatasetException.class)
        .hasMessageContaining("train-images-idx3-ubyte.gz")
        .hasMessageContaining("early");
  }

  @Test
  void aHostileHeaderAllocatesNothing() throws IOException {
    for (int[] size :
        new int[][] {{-1, 28, 28}, {1 << 30, 1 << 10, 1 << 10}, {100_000_000, 1, 1}}) {
      write("train-images-idx3-ubyte", images(size[0], size[1], size[2], 4), false);

      assertThatThrownBy(() -> Datasets.open("idx:" + directory))
          .isInstanceOf(DatasetException.class)
          .hasMessageContaining("train-images-idx3-ubyte: offset");
    }
  }

  @Test
  void refusesOtherFilesMismatchesAndTrailingBytes() throws IOException {
    write("train-images-idx3-ubyte", images(3, 2, 2, 12), false);
    assertThatThrownBy(() -> Datasets.open("idx:" + directory))
        .hasMessageContaining("neither train-labels-idx1-ubyte nor");
    write("train-labels-idx1-ubyte", labels(2, 2), false);
    assertThatThrownBy(() -> Datasets.open("idx:" + directory))
        .hasMessageContaining("3 images but 2 labels");
    write("train-labels-idx1-ubyte", labels(3, 4), false);
    assertThatThrownBy(() -> Datasets.open("idx:" + directory))
        .hasMessageContaining("offset 11: more bytes than its header says");
    write("train-images-idx3-ubyte", labels(3, 3), false);
    assertThatThrownBy(() -> Datasets.open("idx:" + directory))
        .hasMessageContaining("offset 0: magic number 0x00000801, not 0x00000803");
  }

  @Test
  void refusesUrisItDoesNotUnderstandInOneLine() {
    for (String uri :
        new String[] {
          "mnist",
          "idx:/no/such",
          "ftp:x",
          "idx:" + directory + "#valid",
          "synthetic:faces",
          "synthetic:digits?samples=-1",
          "synthetic:digits?sample=3",
          "synthetic:digits?noise=2",
          "synthetic:digits?samples=10000000&side=64",
          "idx:" + directory + "?mean",
        }) {
      assertThatThrownBy(() -> Datasets.open(uri))
          .as(uri)
          .isInstanceOf(DatasetException.class)
          .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
    }
  }

  @Test
  void readsMnist() {
    assumeTrue(Files.isDirectory(MNIST), "no MNIST here");

    SampleDataset train = Datasets.open("idx:" + MNIST);

    assertThat(train.size()).isEqualTo(60_000);
    assertThat(train.sampleShape()).isEqualTo(new Shape(1, 28, 28));
    assertThat(train.classes()).isEqualTo(10);
    assertThat(train.label(0)).isEqualTo(5);
    assertThat(train.sampleId(59_999)).isEqualTo("train-59999");
  }

  private static float value(int pixel) {
    return (pixel / 255f - 0.5f) / 0.25f;
  }

  private static byte[] images(int count, int rows, int columns, int pixels) {
    ByteBuffer bytes = ByteBuffer.allocate(16 + pixels);
    bytes.putInt(0x0803).putInt(count).putInt(rows).putInt(columns);
    for (int i = 0; i < pixels; i++) {
      bytes.put((byte) i);
    }
    return bytes.array();
  }

  private static byte[] labels(int count, int bytesAfter) {
    ByteBuffer bytes = ByteBuffer.allocate(8 + bytesAfter);
    bytes.putInt(0x0801).putInt(count);
    for (int i = 0; i < bytesAfter; i++) {
      bytes.put((byte) i);
    }
    return bytes.array();
  }

  private void write(String name, byte[] content, boolean zip) throws IOException {
    Files.deleteIfExists(directory.resolve(name));
    Files.deleteIfExists(directory.resolve(name + ".gz"));
    if (!zip) {
      Files.write(directory.resolve(name), content);
      return;
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
      out.write(content);
    }
    Files.write(directory.resolve(name + ".gz"), bytes.toByteArray());
  }
}
