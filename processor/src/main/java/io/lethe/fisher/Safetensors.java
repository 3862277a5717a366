package io.lethe.fisher;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Writes safetensors files: tensors in the order given, 8-byte alignment, any total size.
 *
 * <p>The same tensors and metadata give the same bytes, so a file's digest identifies its content.
 * Read with {@link SafetensorsFile}.
 */
public final class Safetensors {
  static final String METADATA = "__metadata__";

  private static final int BUFFER = 1 << 20;
  private static final JsonFactory JSON = new JsonFactory();

  private Safetensors() {}

  /** Element types that are written. */
  public enum Type {
    F32(4),
    F64(8);

    final int bytes;

    Type(int bytes) {
      this.bytes = bytes;
    }
  }

  /** A tensor to write. */
  public static final class Tensor {
    private final String name;
    private final List<Long> shape;
    private final Type type;
    private final float[] floats;
    private final double[] doubles;

    private Tensor(String name, List<Long> shape, Type type, float[] floats, double[] doubles) {
      this.name = name;
      this.shape = List.copyOf(shape);
      this.type = type;
      this.floats = floats;
      this.doubles = doubles;
      long size = this.shape.stream().reduce(1L, Math::multiplyExact);
      if (size != length()) {
        throw new IllegalArgumentException(
            "tensor %s: shape %s, %d values".formatted(name, shape, length()));
      }
    }

    public static Tensor of(String name, List<Long> shape, float[] values) {
      return new Tensor(name, shape, Type.F32, values, null);
    }

    public static Tensor of(String name, List<Long> shape, double[] values) {
      return new Tensor(name, shape, Type.F64, null, values);
    }

    private int length() {
      return type == Type.F32 ? floats.length : doubles.length;
    }

    private void write(FileChannel channel, ByteBuffer buffer) throws IOException {
      int step = BUFFER / type.bytes;
      for (int from = 0; from < length(); from += step) {
        int count = Math.min(step, length() - from);
        buffer.clear();
        if (type == Type.F32) {
          buffer.asFloatBuffer().put(floats, from, count);
        } else {
          buffer.asDoubleBuffer().put(doubles, from, count);
        }
        writeFully(channel, buffer.limit(count * type.bytes));
      }
    }
  }

  /**
   * Writes the file whole or not at all: to a sibling first, then moved into place.
   *
   * @param metadata free text entries of the header, in the map's order
   * @throws IllegalArgumentException when two tensors have one name, or one that the format keeps
   */
  public static void write(Path file, Map<String, String> metadata, List<Tensor> tensors)
      throws IOException {
    Path directory = file.toAbsolutePath().getParent();
    Files.createDirectories(directory);
    Path partial = Files.createTempFile(directory, file.getFileName().toString(), ".partial");
    try {
      try (FileChannel channel = FileChannel.open(partial, StandardOpenOption.WRITE)) {
        byte[] header = header(metadata, tensors);
        ByteBuffer buffer = ByteBuffer.allocate(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
        writeFully(channel, buffer.putLong(header.length).flip());
        writeFully(channel, ByteBuffer.wrap(header));
        for (Tensor tensor : tensors) {
          tensor.write(channel, buffer);
        }
      }
      Files.move(
          partial, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    } finally {
      Files.deleteIfExists(partial);
    }
  }

  /** Writes a diagonal: one float32 tensor per parameter, {@code count} and {@code reduction}. */
  public static void write(Path file, Map<String, String> metadata, FisherDiagonal diagonal)
      throws IOException {
    Map<String, String> all = new java.util.LinkedHashMap<>();
    all.put("count", Long.toString(diagonal.samples()));
    all.put("reduction", "sum");
    all.putAll(metadata);
    write(
        file,
        all,
        diagonal.tensors().stream()
            .map(tensor -> Tensor.of(tensor.name(), tensor.shape(), tensor.values()))
            .toList());
  }

  static byte[] header(Map<String, String> metadata, List<Tensor> tensors) throws IOException {
    Set<String> names = new HashSet<>();
    for (Tensor tensor : tensors) {
      if (tensor.name.equals(METADATA) || !names.add(tensor.name)) {
        throw new IllegalArgumentException("tensor %s: its name is taken".formatted(tensor.name));
      }
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (JsonGenerator json = JSON.createGenerator(bytes)) {
      json.writeStartObject();
      if (!metadata.isEmpty()) {
        json.writeObjectFieldStart(METADATA);
        for (Map.Entry<String, String> entry : metadata.entrySet()) {
          json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
      }
      long offset = 0;
      for (Tensor tensor : tensors) {
        long end = offset + (long) tensor.length() * tensor.type.bytes;
        json.writeObjectFieldStart(tensor.name);
        json.writeStringField("dtype", tensor.type.name());
        writeArray(json, "shape", tensor.shape);
        writeArray(json, "data_offsets", List.of(offset, end));
        json.writeEndObject();
        offset = end;
      }
      json.writeEndObject();
    }
    while (bytes.size() % 8 != 0) {
      bytes.write(' ');
    }
    return bytes.toByteArray();
  }

  private static void writeArray(JsonGenerator json, String name, List<Long> values)
      throws IOException {
    json.writeArrayFieldStart(name);
    for (long value : values) {
      json.writeNumber(value);
    }
    json.writeEndArray();
  }

  private static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }
}
