package io.lethe.dataset;

import ai.djl.ndarray.types.Shape;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.zip.GZIPInputStream;

/**
 * Reads MNIST's layout: {@code train-images-idx3-ubyte[.gz]} and {@code
 * train-labels-idx1-ubyte[.gz]}, or {@code t10k-…} for the test split.
 *
 * <p>A header's numbers are never trusted with an allocation: memory grows with the bytes that are
 * there.
 */
final class IdxReader {
  private static final int IMAGES = 0x0803;
  private static final int LABELS = 0x0801;
  private static final int STEP = 1 << 20;

  private final Path file;
  private final InputStream in;
  private long offset;

  private IdxReader(Path file, InputStream in) {
    this.file = file;
    this.in = in;
  }

  static SampleDataset read(DatasetUri uri) {
    uri.allowOnly(Set.of("mean", "std"));
    Path directory = Path.of(uri.location());
    if (!Files.isDirectory(directory)) {
      throw new DatasetException("%s: no directory %s".formatted(uri, directory));
    }
    String prefix = uri.split().equals("train") ? "train" : "t10k";
    int[] dimensions = new int[3];
    byte[] pixels = readFile(directory, prefix + "-images-idx3-ubyte", IMAGES, dimensions);
    int[] count = new int[1];
    byte[] labels = readFile(directory, prefix + "-labels-idx1-ubyte", LABELS, count);
    if (count[0] != dimensions[0]) {
      throw new DatasetException(
          "%s: %d images but %d labels".formatted(uri, dimensions[0], count[0]));
    }
    int[] classes = new int[labels.length];
    for (int i = 0; i < labels.length; i++) {
      classes[i] = labels[i] & 0xff;
    }
    return new InMemoryDataset(
        new Values.Bytes(pixels),
        classes,
        new Shape(1, dimensions[1], dimensions[2]),
        0,
        new SampleIds.Numbered(uri.split() + "-", 5, labels.length),
        null,
        Normalisation.of(uri, 1));
  }

  private static byte[] readFile(Path directory, String name, int magic, int[] dimensions) {
    Path plain = directory.resolve(name);
    Path zipped = directory.resolve(name + ".gz");
    Path file = Files.exists(plain) ? plain : zipped;
    if (!Files.isRegularFile(file)) {
      throw new DatasetException(
          "%s: neither %s nor %s.gz is there".formatted(directory, name, name));
    }
    try (InputStream raw = Files.newInputStream(file);
        InputStream in =
            new BufferedInputStream(file == zipped ? new GZIPInputStream(raw) : raw, STEP)) {
      return new IdxReader(file, in).content(magic, dimensions);
    } catch (IOException e) {
      throw new DatasetException("%s: cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }

  private byte[] content(int magic, int[] dimensions) throws IOException {
    int found = header();
    if (found != magic) {
      throw new DatasetException(
          "%s: offset 0: magic number 0x%08x, not 0x%08x".formatted(file, found, magic));
    }
    long size = 1;
    for (int d = 0; d < dimensions.length; d++) {
      dimensions[d] = header();
      size *= Math.max(0, dimensions[d]);
      if (dimensions[d] <= 0 || size > Integer.MAX_VALUE - 8) {
        throw new DatasetException(
            "%s: offset %d: impossible size %s"
                .formatted(file, offset - 4, Integer.toUnsignedString(dimensions[d])));
      }
    }
    Heap.check(file, size);
    byte[] content = bytes((int) size);
    if (in.read() >= 0) {
      throw new DatasetException(
          "%s: offset %d: more bytes than its header says".formatted(file, offset));
    }
    return content;
  }

  private int header() throws IOException {
    byte[] b = bytes(4);
    return (b[0] & 0xff) << 24 | (b[1] & 0xff) << 16 | (b[2] & 0xff) << 8 | (b[3] & 0xff);
  }

  private byte[] bytes(int size) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(Math.min(size, STEP));
    while (bytes.size() < size) {
      byte[] step = readStep(Math.min(STEP, size - bytes.size()));
      if (step.length == 0) {
        throw new DatasetException(
            "%s: offset %d: ends %d bytes early".formatted(file, offset, size - bytes.size()));
      }
      bytes.write(step, 0, step.length);
      offset += step.length;
    }
    return bytes.toByteArray();
  }

  /** A truncated gzip stream ends like a truncated plain file. */
  private byte[] readStep(int most) throws IOException {
    try {
      return in.readNBytes(most);
    } catch (java.io.EOFException e) {
      throw new DatasetException("%s: offset %d: ends early".formatted(file, offset), e);
    }
  }
}
