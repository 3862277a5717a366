package io.lethe.dataset;

import ai.djl.ndarray.types.Shape;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;

/**
 * Reads NumPy's {@code .npz}: {@code x} (N, …) of uint8, float32 or float64, {@code y} (N) of
 * integers, and optionally {@code ids} (N) of integers or text. Without ids the position serves.
 *
 * <p>x may be (N, C, H, W), (N, H, W) or (N, F). Fortran order and pickled objects are refused.
 */
final class NpzReader {
  private static final Pattern HEADER =
      Pattern.compile(
          "\\{'descr': '([<>|=]?)([a-zA-Z])(\\d{1,6})', 'fortran_order': (True|False),"
              + " 'shape': \\(([0-9, ]*)\\),? *\\}\\s*");
  private static final int LONGEST_HEADER = 1 << 16;

  private final Path file;
  private final ZipFile zip;

  private NpzReader(Path file, ZipFile zip) {
    this.file = file;
    this.zip = zip;
  }

  /** An array of the file. */
  private record NpyArray(char kind, int width, long[] shape, ByteBuffer bytes) {
    int values() {
      return bytes.capacity() / width;
    }

    long integer(int i) {
      return switch (width) {
        case 1 -> kind == 'u' ? bytes.get(i) & 0xff : bytes.get(i);
        case 2 -> kind == 'u' ? bytes.getShort(2 * i) & 0xffff : bytes.getShort(2 * i);
        case 4 -> kind == 'u' ? Integer.toUnsignedLong(bytes.getInt(4 * i)) : bytes.getInt(4 * i);
        default -> bytes.getLong(8 * i);
      };
    }
  }

  static SampleDataset read(DatasetUri uri) {
    uri.allowOnly(Set.of("mean", "std"));
    if (!uri.split().equals("train")) {
      throw new DatasetException("%s: an npz file has no split but train".formatted(uri));
    }
    Path file = Path.of(uri.location());
    if (!Files.isRegularFile(file)) {
      throw new DatasetException("%s: no file %s".formatted(uri, file));
    }
    try (ZipFile zip = new ZipFile(file.toFile())) {
      return new NpzReader(file, zip).dataset(uri);
    } catch (ZipException e) {
      throw new DatasetException(
          "%s: offset %d: not a whole zip file: %s"
              .formatted(file, file.toFile().length(), e.getMessage()),
          e);
    } catch (IOException e) {
      throw new DatasetException("%s: cannot be read: %s".formatted(file, e.getMessage()), e);
    }
  }

  private SampleDataset dataset(DatasetUri uri) throws IOException {
    NpyArray x = array("x");
    NpyArray y = array("y");
    if (x.shape().length < 2
        || x.shape().length > 4
        || Arrays.stream(x.shape()).anyMatch(d -> d < 1)) {
      throw new DatasetException(
          "%s: x has the shape %s; write (N, C, H, W), (N, H, W) or (N, F)"
              .formatted(file, Arrays.toString(x.shape())));
    }
    int samples = Math.toIntExact(x.shape()[0]);
    Shape shape =
        switch (x.shape().length) {
          case 4 -> new Shape(x.shape()[1], x.shape()[2], x.shape()[3]);
          case 3 -> new Shape(1, x.shape()[1], x.shape()[2]);
          default -> new Shape(1, 1, x.shape()[1]);
        };
    return new InMemoryDataset(
        values(x),
        labels(y, samples),
        shape,
        0,
        zip.getEntry("ids.npy") == null
            ? new SampleIds.Numbered("", 0, samples)
            : new SampleIds.Listed(file, ids(array("ids"), samples)),
        null,
        Normalisation.of(uri, (int) shape.get(0)));
  }

  private Values values(NpyArray x) {
    if (x.kind() == 'u' && x.width() == 1) {
      return new Values.Bytes(x.bytes().array());
    }
    if (x.kind() != 'f' || x.width() < 4) {
      throw new DatasetException("%s: x must be uint8, float32 or float64".formatted(file));
    }
    Heap.check(file, 4L * x.values());
    float[] floats = new float[x.values()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = x.width() == 4 ? x.bytes().getFloat(4 * i) : (float) x.bytes().getDouble(8 * i);
      if (!Float.isFinite(floats[i])) {
        throw new DatasetException(
            "%s: x.npy: value %d is not a finite float32".formatted(file, i));
      }
    }
    return new Values.Floats(floats);
  }

  private int[] labels(NpyArray y, int samples) {
    checkOnePerSample("y", y, samples);
    if (y.kind() != 'i' && y.kind() != 'u') {
      throw new DatasetException("%s: y must be integers".formatted(file));
    }
    int[] labels = new int[samples];
    for (int i = 0; i < samples; i++) {
      long label = y.integer(i);
      if (label < 0 || label >= 100_000) {
        throw new DatasetException(
            "%s: y.npy: label %d at position %d; labels are 0 to 99999".formatted(file, label, i));
      }
      labels[i] = (int) label;
    }
    return labels;
  }

  private List<String> ids(NpyArray ids, int samples) {
    checkOnePerSample("ids", ids, samples);
    List<String> texts = new ArrayList<>(samples);
    for (int i = 0; i < samples; i++) {
      texts.add(
          switch (ids.kind()) {
            case 'i', 'u' -> Long.toString(ids.integer(i));
            case 'U' -> text(ids.bytes(), i * ids.width(), ids.width() / 4, i);
            case 'S' ->
                new String(
                        ids.bytes().array(), i * ids.width(), ids.width(), StandardCharsets.UTF_8)
                    .replaceAll("\0+$", "");
            default ->
                throw new DatasetException("%s: ids must be integers or text".formatted(file));
          });
    }
    return texts;
  }

  /** NumPy's text: four bytes a character, padded with zeros. */
  private String text(ByteBuffer bytes, int offset, int most, int position) {
    StringBuilder text = new StringBuilder();
    for (int c = 0; c < most; c++) {
      int character = bytes.getInt(offset + 4 * c);
      if (character == 0) {
        break;
      }
      if (!Character.isValidCodePoint(character)) {
        throw new DatasetException(
            "%s: ids.npy: the id at position %d is no text".formatted(file, position));
      }
      text.appendCodePoint(character);
    }
    return text.toString();
  }

  private void checkOnePerSample(String name, NpyArray array, int samples) {
    if (array.shape().length != 1 || array.shape()[0] != samples) {
      throw new DatasetException(
          "%s: %s has the shape %s for %d samples"
              .formatted(file, name, Arrays.toString(array.shape()), samples));
    }
  }

  private NpyArray array(String name) throws IOException {
    ZipEntry entry = zip.getEntry(name + ".npy");
    if (entry == null) {
      throw new DatasetException("%s: holds no array %s".formatted(file, name));
    }
    try (InputStream in = new BufferedInputStream(zip.getInputStream(entry))) {
      byte[] magic = in.readNBytes(8);
      if (magic.length < 8
          || magic[0] != (byte) 0x93
          || !new String(magic, 1, 5, StandardCharsets.US_ASCII).equals("NUMPY")
          || magic[6] < 1
          || magic[6] > 3) {
        throw new DatasetException(
            "%s: %s.npy: offset 0: not NumPy's format".formatted(file, name));
      }
      int lengthBytes = magic[6] == 1 ? 2 : 4;
      byte[] prefix = in.readNBytes(lengthBytes);
      int length = -1;
      if (prefix.length == lengthBytes) {
        ByteBuffer number = ByteBuffer.wrap(prefix).order(ByteOrder.LITTLE_ENDIAN);
        length = lengthBytes == 2 ? number.getShort() & 0xffff : number.getInt();
      }
      if (length < 0 || length > LONGEST_HEADER) {
        throw new DatasetException(
            "%s: %s.npy: offset 8: impossible header length".formatted(file, name));
      }
      String header = new String(in.readNBytes(length), StandardCharsets.US_ASCII);
      return content(name, header, 8L + lengthBytes + length, in);
    } catch (EOFException | ZipException e) {
      throw new DatasetException(
          "%s: %s.npy: damaged: %s".formatted(file, name, e.getMessage()), e);
    }
  }

  private NpyArray content(String name, String header, long offset, InputStream in)
      throws IOException {
    Matcher matcher = HEADER.matcher(header);
    if (!matcher.matches()) {
      throw new DatasetException(
          "%s: %s.npy: offset 10: a header or a type that is not read here".formatted(file, name));
    }
    char kind = matcher.group(2).charAt(0);
    int number = Integer.parseInt(matcher.group(3));
    int width = kind == 'U' ? 4 * number : number;
    boolean known =
        switch (kind) {
          case 'i', 'u' -> width == 1 || width == 2 || width == 4 || width == 8;
          case 'f' -> width == 4 || width == 8;
          case 'U', 'S' -> width > 0;
          default -> false;
        };
    if (!known || matcher.group(4).equals("True")) {
      throw new DatasetException(
          "%s: %s.npy: type %s%d%s is not read here"
              .formatted(
                  file,
                  name,
                  kind,
                  number,
                  matcher.group(4).equals("True") ? " in Fortran order" : ""));
    }
    long[] shape;
    long size = width;
    try {
      shape =
          Arrays.stream(matcher.group(5).split(","))
              .map(String::strip)
              .filter(part -> !part.isEmpty())
              .mapToLong(Long::parseLong)
              .toArray();
      for (long dimension : shape) {
        size = Math.multiplyExact(size, dimension);
      }
    } catch (ArithmeticException | NumberFormatException e) {
      throw new DatasetException("%s: %s.npy: impossible shape".formatted(file, name), e);
    }
    if (size > Integer.MAX_VALUE - 8) {
      throw new DatasetException("%s: %s.npy: more than 2 GiB".formatted(file, name));
    }
    Heap.check(file, size);
    byte[] bytes = in.readNBytes((int) size);
    if (bytes.length < size) {
      throw new DatasetException(
          "%s: %s.npy: offset %d: ends %d bytes early"
              .formatted(file, name, offset + bytes.length, size - bytes.length));
    }
    if (in.read() >= 0) {
      throw new DatasetException(
          "%s: %s.npy: offset %d: more bytes than its header says"
              .formatted(file, name, offset + size));
    }
    ByteOrder order = matcher.group(1).equals(">") ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN;
    return new NpyArray(kind, width, shape, ByteBuffer.wrap(bytes).order(order));
  }
}
