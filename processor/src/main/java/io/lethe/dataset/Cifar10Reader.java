package io.lethe.dataset;

import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;

/**
 * Reads CIFAR-10's binary version: {@code data_batch_1.bin} to {@code data_batch_5.bin}, or {@code
 * test_batch.bin}. A record is a label and 3 × 32 × 32 bytes.
 */
final class Cifar10Reader {
  private static final int PIXELS = 3 * 32 * 32;
  private static final int RECORD = 1 + PIXELS;

  private Cifar10Reader() {}

  static SampleDataset read(DatasetUri uri) {
    uri.allowOnly(Set.of("mean", "std"));
    Path directory = Path.of(uri.location());
    List<Path> files =
        (uri.split().equals("train")
                ? List.of(
                    "data_batch_1.bin",
                    "data_batch_2.bin",
                    "data_batch_3.bin",
                    "data_batch_4.bin",
                    "data_batch_5.bin")
                : List.of("test_batch.bin"))
            .stream().map(directory::resolve).toList();
    long bytes = 0;
    for (Path file : files) {
      bytes += size(file);
    }
    Heap.check(directory, bytes);
    int samples = Math.toIntExact(bytes / RECORD);
    byte[] pixels = new byte[samples * PIXELS];
    int[] labels = new int[samples];
    int at = 0;
    for (Path file : files) {
      at = read(file, pixels, labels, at);
    }
    return new InMemoryDataset(
        new Values.Bytes(pixels),
        labels,
        new Shape(3, 32, 32),
        10,
        new SampleIds.Numbered(uri.split() + "-", 5, samples),
        null,
        Normalisation.of(uri, 3));
  }

  private static long size(Path file) {
    try {
      if (!Files.isRegularFile(file)) {
        throw new DatasetException("%s: is not there".formatted(file));
      }
      long size = Files.size(file);
      if (size == 0 || size % RECORD != 0) {
        throw new DatasetException(
            "%s: offset %d: ends in the middle of a record of %d bytes"
                .formatted(file, size - size % RECORD, RECORD));
      }
      return size;
    } catch (IOException e) {
      throw new DatasetException("%s: cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }

  private static int read(Path file, byte[] pixels, int[] labels, int first) {
    int at = first;
    try (InputStream in = Files.newInputStream(file)) {
      byte[] content = in.readAllBytes();
      for (int offset = 0; offset < content.length && at < labels.length; offset += RECORD) {
        if (content[offset] < 0 || content[offset] > 9) {
          throw new DatasetException(
              "%s: offset %d: label %d, of ten classes"
                  .formatted(file, offset, content[offset] & 0xff));
        }
        labels[at] = content[offset];
        System.arraycopy(content, offset + 1, pixels, at * PIXELS, PIXELS);
        at++;
      }
      return at;
    } catch (IOException e) {
      throw new DatasetException("%s: cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }
}
