package io.lethe.fisher;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads a safetensors file that nobody vouches for.
 *
 * <p>The header is checked whole before anything is allocated for a tensor: its length against the
 * file's, each tensor's extent against its shape and type, and that the tensors fill the rest of
 * the file without holes or overlaps. Entries come in the header's order. Not thread-safe.
 */
public final class SafetensorsFile implements AutoCloseable {
  /** The format's own limit. */
  private static final long MAX_HEADER = 100_000_000;

  /** More than any framework knows, and far fewer than a header could claim. */
  private static final int MAX_DIMENSIONS = 64;

  private static final JsonFactory JSON =
      JsonFactory.builder().enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION).build();
  private static final Map<String, Integer> TYPE_BYTES =
      Map.ofEntries(
          Map.entry("BOOL", 1),
          Map.entry("U8", 1),
          Map.entry("I8", 1),
          Map.entry("U16", 2),
          Map.entry("I16", 2),
          Map.entry("F16", 2),
          Map.entry("BF16", 2),
          Map.entry("U32", 4),
          Map.entry("I32", 4),
          Map.entry("F32", 4),
          Map.entry("U64", 8),
          Map.entry("I64", 8),
          Map.entry("F64", 8));

  private final Path file;
  private final FileChannel channel;
  private final Map<String, String> metadata = new LinkedHashMap<>();
  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private long dataStart;

  /**
   * A tensor of the file.
   *
   * @param type the format's name of the element type, such as {@code F32}
   * @param begin first byte, counted from the end of the header
   * @param end one past the last byte
   */
  public record Entry(String name, String type, List<Long> shape, long begin, long end) {}

  private SafetensorsFile(Path file, FileChannel channel) {
    this.file = file;
    this.channel = channel;
  }

  /**
   * @throws SafetensorsException when the file breaks the format
   * @throws IOException when it cannot be read
   */
  public static SafetensorsFile open(Path file) throws IOException {
    if (!Files.isRegularFile(file)) {
      throw new SafetensorsException(file, "no such file");
    }
    SafetensorsFile opened =
        new SafetensorsFile(file, FileChannel.open(file, StandardOpenOption.READ));
    try {
      opened.readHeader();
      return opened;
    } catch (IOException | RuntimeException e) {
      opened.close();
      throw e;
    }
  }

  /** Reads a diagonal that {@link Safetensors#write(Path, Map, FisherDiagonal)} wrote. */
  public static FisherDiagonal readDiagonal(Path file) throws IOException {
    try (SafetensorsFile opened = open(file)) {
      String count = opened.metadata.get("count");
      if (count == null || !count.matches("\\d{1,18}")) {
        throw new SafetensorsException(file, "its metadata gives no count of samples");
      }
      if (!"sum".equals(opened.metadata.get("reduction"))) {
        throw new SafetensorsException(file, "its metadata does not say reduction=sum");
      }
      List<FisherDiagonal.Tensor> tensors = new ArrayList<>();
      for (Entry entry : opened.entries()) {
        tensors.add(
            new FisherDiagonal.Tensor(entry.name(), entry.shape(), opened.floats(entry.name())));
      }
      return new FisherDiagonal(tensors, Long.parseLong(count));
    }
  }

  public Map<String, String> metadata() {
    return Map.copyOf(metadata);
  }

  /** The tensors, in the header's order. */
  public List<Entry> entries() {
    return List.copyOf(entries.values());
  }

  /** Reads an F32 tensor. */
  public float[] floats(String name) throws IOException {
    Entry entry = entry(name, "F32");
    float[] values = new float[length(entry, 4)];
    ByteBuffer buffer = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
    for (int from = 0; from < values.length; ) {
      int count = Math.min(buffer.capacity() / 4, values.length - from);
      readFully(buffer.clear().limit(count * 4), dataStart + entry.begin() + from * 4L);
      buffer.flip().asFloatBuffer().get(values, from, count);
      from += count;
    }
    return values;
  }

  /** Reads an F64 tensor. */
  public double[] doubles(String name) throws IOException {
    Entry entry = entry(name, "F64");
    double[] values = new double[length(entry, 8)];
    ByteBuffer buffer = ByteBuffer.allocate(1 << 20).order(ByteOrder.LITTLE_ENDIAN);
    for (int from = 0; from < values.length; ) {
      int count = Math.min(buffer.capacity() / 8, values.length - from);
      readFully(buffer.clear().limit(count * 8), dataStart + entry.begin() + from * 8L);
      buffer.flip().asDoubleBuffer().get(values, from, count);
      from += count;
    }
    return values;
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }

  private Entry entry(String name, String type) throws IOException {
    Entry entry = entries.get(name);
    if (entry == null) {
      throw new SafetensorsException(file, "it has no tensor " + name);
    }
    if (!entry.type().equals(type)) {
      throw new SafetensorsException(
          file, "tensor %s is %s, not %s".formatted(name, entry.type(), type));
    }
    return entry;
  }

  private int length(Entry entry, int bytes) throws IOException {
    long length = (entry.end() - entry.begin()) / bytes;
    if (length > Integer.MAX_VALUE - 8) {
      throw new SafetensorsException(file, "tensor %s is too large".formatted(entry.name()));
    }
    return (int) length;
  }

  private void readHeader() throws IOException {
    long size = channel.size();
    if (size < 8) {
      throw new SafetensorsException(file, "%d bytes, shorter than a header".formatted(size));
    }
    ByteBuffer prefix = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    readFully(prefix, 0);
    long length = prefix.getLong(0);
    if (length < 2 || length > MAX_HEADER || length > size - 8) {
      throw new SafetensorsException(
          file,
          "offset 0: a header of %s bytes in a file of %d"
              .formatted(Long.toUnsignedString(length), size));
    }
    dataStart = 8 + length;
    ByteBuffer header = ByteBuffer.allocate((int) length);
    readFully(header, 8);
    if (header.get(0) != '{') {
      throw new SafetensorsException(file, "offset 8: its header does not begin with {");
    }
    try (JsonParser json = JSON.createParser(text(header.flip()))) {
      parse(json);
      if (json.nextToken() != null) {
        throw new SafetensorsException(file, "offset 8: text after the header's object");
      }
    } catch (JsonProcessingException e) {
      throw new SafetensorsException(
          file,
          "offset %d: its header is not JSON"
              .formatted(
                  8 + Math.max(0, e.getLocation() == null ? 0 : e.getLocation().getCharOffset())),
          e);
    }
    checkExtents(size - dataStart);
  }

  private char[] text(ByteBuffer header) throws SafetensorsException {
    try {
      CharBuffer text = StandardCharsets.UTF_8.newDecoder().decode(header);
      return Arrays.copyOfRange(text.array(), 0, text.limit());
    } catch (CharacterCodingException e) {
      throw new SafetensorsException(file, "its header is not UTF-8", e);
    }
  }

  private void parse(JsonParser json) throws IOException {
    expect(json.nextToken(), JsonToken.START_OBJECT);
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String name = json.currentName();
      expect(json.nextToken(), JsonToken.START_OBJECT);
      if (name.equals(Safetensors.METADATA)) {
        while (json.nextToken() == JsonToken.FIELD_NAME) {
          String key = json.currentName();
          expect(json.nextToken(), JsonToken.VALUE_STRING);
          metadata.put(key, json.getText());
        }
      } else {
        entries.put(name, parseEntry(name, json));
      }
    }
  }

  private Entry parseEntry(String name, JsonParser json) throws IOException {
    String type = null;
    List<Long> shape = null;
    List<Long> offsets = null;
    while (json.nextToken() == JsonToken.FIELD_NAME) {
      String key = json.currentName();
      JsonToken token = json.nextToken();
      switch (key) {
        case "dtype" -> {
          expect(token, JsonToken.VALUE_STRING);
          type = json.getText();
        }
        case "shape" -> shape = parseLongs(name, json, token);
        case "data_offsets" -> offsets = parseLongs(name, json, token);
        default -> throw new SafetensorsException(file, "tensor %s: unknown field".formatted(name));
      }
    }
    if (type == null || shape == null || offsets == null || offsets.size() != 2) {
      throw new SafetensorsException(
          file, "tensor %s lacks its dtype, shape or data_offsets".formatted(name));
    }
    return new Entry(name, type, List.copyOf(shape), offsets.get(0), offsets.get(1));
  }

  private List<Long> parseLongs(String name, JsonParser json, JsonToken first) throws IOException {
    expect(first, JsonToken.START_ARRAY);
    List<Long> values = new ArrayList<>();
    for (JsonToken token = json.nextToken();
        token != JsonToken.END_ARRAY;
        token = json.nextToken()) {
      expect(token, JsonToken.VALUE_NUMBER_INT);
      if (values.size() == MAX_DIMENSIONS) {
        throw new SafetensorsException(
            file, "tensor %s: more than %d numbers in a list".formatted(name, MAX_DIMENSIONS));
      }
      values.add(json.getLongValue());
    }
    return values;
  }

  private void checkExtents(long available) throws SafetensorsException {
    List<Entry> ordered = new ArrayList<>(entries.values());
    ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long offset = 0;
    for (Entry entry : ordered) {
      Integer bytes = TYPE_BYTES.get(entry.type());
      if (bytes == null) {
        throw new SafetensorsException(
            file, "tensor %s has an unknown dtype".formatted(entry.name()));
      }
      long expected = bytes;
      try {
        for (long dimension : entry.shape()) {
          if (dimension < 0) {
            throw new ArithmeticException();
          }
          expected = Math.multiplyExact(expected, dimension);
        }
      } catch (ArithmeticException e) {
        throw new SafetensorsException(
            file, "tensor %s: impossible shape".formatted(entry.name()), e);
      }
      if (entry.begin() != offset
          || entry.end() < entry.begin()
          || entry.end() > available
          || entry.end() - entry.begin() != expected) {
        throw new SafetensorsException(
            file,
            "tensor %s: bytes %d to %d do not fit its shape, its neighbours or the file's %d"
                .formatted(entry.name(), entry.begin(), entry.end(), available));
      }
      offset = entry.end();
    }
    if (offset != available) {
      throw new SafetensorsException(
          file,
          "offset %d: %d bytes that belong to no tensor"
              .formatted(dataStart + offset, available - offset));
    }
  }

  private void expect(JsonToken token, JsonToken expected) throws SafetensorsException {
    if (token != expected) {
      throw new SafetensorsException(file, "its header is not of the format's form");
    }
  }

  private void readFully(ByteBuffer buffer, long position) throws IOException {
    while (buffer.hasRemaining()) {
      int read = channel.read(buffer, position);
      if (read < 0) {
        throw new EOFException(file + ": shorter than when it was opened");
      }
      position += read;
    }
  }
}
