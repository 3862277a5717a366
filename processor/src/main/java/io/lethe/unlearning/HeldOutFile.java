package io.lethe.unlearning;

import io.lethe.dataset.SampleDataset;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Held-out targets as a NumPy {@code .npz}: {@code ids}, unicode (N), and {@code logits}, float32
 * (N, classes). So a team's own out-of-fold predictions are one {@code numpy.savez} away.
 *
 * <p>A file is read that nobody vouches for: headers are checked before anything is allocated.
 */
public final class HeldOutFile {
  private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
  private static final int MOST_HEADER = 65_535;
  private static final int MOST_ID = 1_000;
  private static final int ALIGNMENT = 64;
  private static final Pattern DESCR = Pattern.compile("'descr': *'([<>|=]?[A-Za-z]\\d+)'");
  private static final Pattern SHAPE = Pattern.compile("'shape': *\\(([\\d, ]*)\\)");

  private HeldOutFile() {}

  /**
   * Writes the targets of samples.
   *
   * @param samples positions in the dataset, each with a target
   */
  public static void write(Path file, SampleDataset dataset, int[] samples, HeldOutTargets targets)
      throws IOException {
    int longest = 1;
    for (int sample : samples) {
      longest = Math.max(longest, codePoints(dataset.sampleId(sample)).length);
    }
    byte[] ids = header("<U" + longest, "(%d,)".formatted(samples.length));
    byte[] logits = header("<f4", "(%d, %d)".formatted(samples.length, targets.classes()));
    try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file));
        ZipOutputStream zip = new ZipOutputStream(out)) {
      ByteBuffer text = littleEndian(longest * Integer.BYTES);
      entry(zip, "ids.npy", ids, samples, sample -> text(text, dataset.sampleId(sample)));
      ByteBuffer row = littleEndian(targets.classes() * Float.BYTES);
      entry(zip, "logits.npy", logits, samples, sample -> row(row, targets, sample));
    }
  }

  /** The bytes of one sample's element. */
  private interface Element {
    byte[] of(int sample);
  }

  /** Stored, not deflated: float32 hardly shrinks, and NumPy can map such a file. */
  private static void entry(
      ZipOutputStream zip, String name, byte[] header, int[] samples, Element element)
      throws IOException {
    CRC32 crc = new CRC32();
    crc.update(header);
    long size = header.length;
    for (int sample : samples) {
      byte[] bytes = element.of(sample);
      crc.update(bytes);
      size += bytes.length;
    }
    ZipEntry entry = new ZipEntry(name);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(size);
    entry.setCompressedSize(size);
    entry.setCrc(crc.getValue());
    entry.setTime(0); // the same targets give the same bytes
    zip.putNextEntry(entry);
    zip.write(header);
    for (int sample : samples) {
      zip.write(element.of(sample));
    }
    zip.closeEntry();
  }

  private static byte[] text(ByteBuffer buffer, String id) {
    Arrays.fill(buffer.array(), (byte) 0);
    buffer.clear();
    buffer.asIntBuffer().put(codePoints(id));
    return buffer.array();
  }

  private static byte[] row(ByteBuffer buffer, HeldOutTargets targets, int sample) {
    buffer.clear();
    buffer.asFloatBuffer().put(targets.logits(new int[] {sample}));
    return buffer.array();
  }

  private static ByteBuffer littleEndian(int bytes) {
    return ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int[] codePoints(String text) {
    return text.codePoints().toArray();
  }

  /** NumPy's format 1.0: magic, version, length, a Python literal padded to a multiple of 64. */
  private static byte[] header(String descr, String shape) throws IOException {
    String literal =
        "{'descr': '%s', 'fortran_order': False, 'shape': %s, }".formatted(descr, shape);
    int fixed = MAGIC.length + 2 + Short.BYTES;
    int padded = (fixed + literal.length() + ALIGNMENT) / ALIGNMENT * ALIGNMENT - fixed;
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (DataOutputStream out = new DataOutputStream(bytes)) {
      out.write(MAGIC);
      out.write(new byte[] {1, 0});
      out.writeShort(Short.reverseBytes((short) padded));
      out.write(
          (literal + " ".repeat(padded - literal.length() - 1) + "\n")
              .getBytes(StandardCharsets.US_ASCII));
    }
    return bytes.toByteArray();
  }

  /**
   * Reads the targets of a dataset's samples: of at least as many classes as it has samples of, as
   * a model may know more.
   *
   * @throws IllegalArgumentException in one line that names the file
   */
  public static HeldOutTargets read(Path file, SampleDataset dataset) {
    return read(file, dataset, false);
  }

  /**
   * As {@link #read}; samples that the dataset lacks are passed over: the source deletes what was
   * erased, a file of predictions stays as it is.
   */
  public static HeldOutTargets readKnown(Path file, SampleDataset dataset) {
    return read(file, dataset, true);
  }

  private static HeldOutTargets read(Path file, SampleDataset dataset, boolean knownOnly) {
    try (ZipFile zip = new ZipFile(file.toFile())) {
      NumpyArray ids = array(zip, "ids");
      NumpyArray logits = array(zip, "logits");
      if (logits.shape.length != 2
          || ids.shape.length != 1
          || logits.shape[0] != ids.shape[0]
          || logits.shape[1] < dataset.classes()) {
        throw new IllegalArgumentException(
            "ids %s and logits %s are not (N) and (N, %d or more)"
                .formatted(
                    Arrays.toString(ids.shape), Arrays.toString(logits.shape), dataset.classes()));
      }
      int classes = logits.shape[1];
      int[] samples = new int[ids.shape[0]];
      float[] rows = logits.floats();
      int known = 0;
      for (int i = 0; i < samples.length; i++) {
        OptionalInt position = dataset.indexOf(ids.text(i));
        if (position.isEmpty() && knownOnly) {
          continue;
        }
        if (position.isEmpty()) {
          throw new IllegalArgumentException(
              "ids[%d] is no sample of the dataset, whose ids look like %s"
                  .formatted(i, dataset.sampleId(0)));
        }
        samples[known] = position.getAsInt();
        System.arraycopy(rows, i * classes, rows, known * classes, classes);
        known++;
      }
      return HeldOutTargets.of(
          classes, Arrays.copyOf(samples, known), Arrays.copyOf(rows, known * classes));
    } catch (ZipException e) {
      throw new IllegalArgumentException(file + ": not an .npz file: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new IllegalArgumentException(file + ": no such file, or not readable", e);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException("%s: %s".formatted(file, e.getMessage()), e);
    }
  }

  private static NumpyArray array(ZipFile zip, String name) throws IOException {
    ZipEntry entry = zip.getEntry(name + ".npy");
    if (entry == null) {
      throw new IllegalArgumentException("holds no array " + name);
    }
    try (var in = zip.getInputStream(entry)) {
      byte[] magic = in.readNBytes(MAGIC.length + 2);
      boolean known =
          magic.length == MAGIC.length + 2
              && Arrays.equals(Arrays.copyOf(magic, MAGIC.length), MAGIC)
              && magic[MAGIC.length] >= 1
              && magic[MAGIC.length] <= 3;
      int lengthBytes = known && magic[MAGIC.length] > 1 ? Integer.BYTES : Short.BYTES;
      ByteBuffer length = littleEndian(Integer.BYTES);
      length.put(in.readNBytes(lengthBytes)).rewind();
      int size = length.getInt();
      if (!known || size < 0 || size > MOST_HEADER) {
        throw new IllegalArgumentException(name + ".npy has no NumPy header");
      }
      String header = new String(in.readNBytes(size), StandardCharsets.UTF_8);
      NumpyArray array = NumpyArray.of(name, header);
      array.data = ByteBuffer.wrap(in.readNBytes(array.bytes())).order(ByteOrder.LITTLE_ENDIAN);
      if (array.data.remaining() != array.bytes() || in.read() != -1) {
        throw new IllegalArgumentException(name + ".npy is not as long as its shape says");
      }
      return array;
    }
  }

  /** An array in C order, little-endian. */
  private static final class NumpyArray {
    private final String name;
    private final char kind;
    private final int width;
    private final int[] shape;
    private ByteBuffer data;

    private NumpyArray(String name, char kind, int width, int[] shape) {
      this.name = name;
      this.kind = kind;
      this.width = width;
      this.shape = shape;
    }

    static NumpyArray of(String name, String header) {
      Matcher descr = DESCR.matcher(header);
      Matcher dimensions = SHAPE.matcher(header);
      if (!descr.find() || !dimensions.find() || !header.contains("'fortran_order': False")) {
        throw new IllegalArgumentException(name + ".npy is no array in C order");
      }
      String type = descr.group(1);
      int digits = Character.isLetter(type.charAt(0)) ? 1 : 2;
      boolean wrongOrder = type.charAt(0) == '>';
      try {
        int[] shape =
            Arrays.stream(dimensions.group(1).split(","))
                .map(String::strip)
                .filter(part -> !part.isEmpty())
                .mapToInt(Integer::parseInt)
                .toArray();
        NumpyArray array =
            new NumpyArray(
                name, type.charAt(digits - 1), Integer.parseInt(type.substring(digits)), shape);
        if (wrongOrder || array.elementBytes() == 0) {
          throw new IllegalArgumentException(
              "%s.npy has the type %s: ids are unicode or integers, logits float32 or float64"
                  .formatted(name, type));
        }
        return array;
      } catch (NumberFormatException | ArithmeticException e) {
        throw new IllegalArgumentException(name + ".npy is too large", e);
      }
    }

    private int elementBytes() {
      return switch (kind) {
        case 'U' -> name.equals("ids") && width >= 1 && width <= MOST_ID ? 4 * width : 0;
        case 'i' -> name.equals("ids") && (width == 4 || width == 8) ? width : 0;
        case 'f' -> name.equals("logits") && (width == 4 || width == 8) ? width : 0;
        default -> 0;
      };
    }

    private int size() {
      return Arrays.stream(shape).reduce(1, Math::multiplyExact);
    }

    int bytes() {
      return Math.multiplyExact(size(), elementBytes());
    }

    String text(int index) {
      int at = index * elementBytes();
      if (kind == 'i') {
        return Long.toString(width == 4 ? data.getInt(at) : data.getLong(at));
      }
      StringBuilder text = new StringBuilder();
      for (int c = 0; c < width; c++) {
        int point = data.getInt(at + 4 * c);
        if (point != 0) {
          if (!Character.isValidCodePoint(point)) {
            throw new IllegalArgumentException("ids[%d] is not unicode".formatted(index));
          }
          text.appendCodePoint(point);
        }
      }
      return text.toString();
    }

    float[] floats() {
      float[] values = new float[size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = width == 4 ? data.getFloat(4 * i) : (float) data.getDouble(8 * i);
      }
      return values;
    }
  }
}
