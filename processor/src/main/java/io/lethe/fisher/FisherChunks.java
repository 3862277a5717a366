package io.lethe.fisher;

import io.lethe.events.FisherTensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.zip.CRC32C;

/**
 * Splits a diagonal into pieces that fit a Kafka record, and joins them again.
 *
 * <p>A chunk is little-endian float32, row-major. Every chunk of a tensor but its last holds {@link
 * #MAX_BYTES}; a tensor of no values has no chunk.
 */
public final class FisherChunks {
  /** Size of a chunk, in bytes: half of Kafka's default limit for a request. */
  public static final int MAX_BYTES = 512 * 1024;

  private static final int MAX_VALUES = MAX_BYTES / Float.BYTES;

  private FisherChunks() {}

  /**
   * A piece of one tensor.
   *
   * @param tensor the tensor's name
   * @param index position of the chunk in its tensor, from 0
   * @param data at most {@link #MAX_BYTES} of little-endian float32
   */
  @SuppressWarnings("ArrayRecordComponent") // handed to a serializer once
  public record Chunk(String tensor, int index, byte[] data) {}

  /** Where {@link #join} gets a chunk's bytes from: a store, a map. */
  @FunctionalInterface
  public interface Source {
    /** The chunk's bytes, or null where it is missing. */
    byte[] get(String tensor, int index);
  }

  /** Names and shapes, as a commit marker carries them. */
  public static List<FisherTensor> layout(FisherDiagonal diagonal) {
    return diagonal.tensors().stream()
        .map(tensor -> new FisherTensor(tensor.name(), tensor.shape()))
        .toList();
  }

  /** Number of chunks of a diagonal with this layout. */
  public static int count(List<FisherTensor> layout) {
    int chunks = 0;
    for (FisherTensor tensor : layout) {
      chunks = Math.addExact(chunks, chunksOf(valuesOf(tensor)));
    }
    return chunks;
  }

  /** Number of chunks of one tensor. */
  public static int chunks(FisherTensor tensor) {
    return chunksOf(valuesOf(tensor));
  }

  /** Length of one chunk of a tensor, in bytes. */
  public static int bytes(FisherTensor tensor, int index) {
    return Math.min(MAX_VALUES, valuesOf(tensor) - index * MAX_VALUES) * Float.BYTES;
  }

  /** Gives the chunks in order, one at a time, so that a large diagonal is never copied whole. */
  public static void split(FisherDiagonal diagonal, Consumer<Chunk> consumer) {
    for (FisherDiagonal.Tensor tensor : diagonal.tensors()) {
      float[] values = tensor.values();
      for (int index = 0, from = 0; from < values.length; index++, from += MAX_VALUES) {
        int length = Math.min(MAX_VALUES, values.length - from);
        byte[] data = new byte[length * Float.BYTES];
        floats(data).asFloatBuffer().put(values, from, length);
        consumer.accept(new Chunk(tensor.name(), index, data));
      }
    }
  }

  /** As {@link #split(FisherDiagonal, Consumer)}, all at once. */
  public static List<Chunk> split(FisherDiagonal diagonal) {
    List<Chunk> chunks = new ArrayList<>();
    split(diagonal, chunks::add);
    return chunks;
  }

  /**
   * Puts a diagonal together.
   *
   * @param layout names and shapes in the model's order
   * @param samples number of samples summed
   * @param source asked for each chunk of the layout once, in order
   * @throws IllegalArgumentException naming the tensor and the chunk that is missing or of the
   *     wrong size
   */
  public static FisherDiagonal join(List<FisherTensor> layout, long samples, Source source) {
    List<FisherDiagonal.Tensor> tensors = new ArrayList<>(layout.size());
    for (FisherTensor tensor : layout) {
      int size = valuesOf(tensor);
      // Nothing is allocated for a shape before its first chunk was seen.
      float[] values = null;
      for (int index = 0; index < chunksOf(size); index++) {
        int from = index * MAX_VALUES;
        int length = Math.min(MAX_VALUES, size - from);
        byte[] data = source.get(tensor.getName(), index);
        if (data == null) {
          throw new IllegalArgumentException(
              "chunk %d of %d of tensor %s is missing"
                  .formatted(index, chunksOf(size), tensor.getName()));
        }
        if (data.length != length * Float.BYTES) {
          throw new IllegalArgumentException(
              "chunk %d of tensor %s holds %d bytes, not %d"
                  .formatted(index, tensor.getName(), data.length, length * Float.BYTES));
        }
        if (values == null) {
          values = new float[size];
        }
        floats(data).asFloatBuffer().get(values, from, length);
      }
      tensors.add(
          new FisherDiagonal.Tensor(
              tensor.getName(), tensor.getShape(), values == null ? new float[0] : values));
    }
    return new FisherDiagonal(tensors, samples);
  }

  /**
   * As {@link #join(List, long, Source)} from chunks in any order.
   *
   * @throws IllegalArgumentException also for a chunk that comes twice or that the layout lacks
   */
  public static FisherDiagonal join(
      List<FisherTensor> layout, long samples, Iterable<Chunk> chunks) {
    Map<String, Map<Integer, byte[]>> byTensor = new HashMap<>();
    int given = 0;
    for (Chunk chunk : chunks) {
      given++;
      if (byTensor
              .computeIfAbsent(chunk.tensor(), name -> new HashMap<>())
              .put(chunk.index(), chunk.data())
          != null) {
        throw new IllegalArgumentException(
            "chunk %d of tensor %s came twice".formatted(chunk.index(), chunk.tensor()));
      }
    }
    FisherDiagonal diagonal =
        join(
            layout, samples, (tensor, index) -> byTensor.getOrDefault(tensor, Map.of()).get(index));
    if (given != count(layout)) {
      throw new IllegalArgumentException(
          "%d chunks for a layout of %d".formatted(given, count(layout)));
    }
    return diagonal;
  }

  /**
   * Adds a chunk to another of the same length, or takes it away: what a store does with an update.
   * Negative results become zero, as in {@link FisherDiagonal#minus}.
   */
  public static byte[] combine(byte[] left, byte[] right, boolean subtract) {
    if (left.length != right.length) {
      throw new IllegalArgumentException(
          "chunks of %d and %d bytes".formatted(left.length, right.length));
    }
    byte[] result = new byte[left.length];
    ByteBuffer a = floats(left);
    ByteBuffer b = floats(right);
    ByteBuffer out = floats(result);
    while (a.hasRemaining()) {
      float value = b.getFloat();
      out.putFloat(Math.max(0f, a.getFloat() + (subtract ? -value : value)));
    }
    return result;
  }

  /** CRC-32C of a chunk's bytes. */
  public static int crc32c(byte[] data) {
    CRC32C crc = new CRC32C();
    crc.update(data);
    return (int) crc.getValue();
  }

  private static ByteBuffer floats(byte[] data) {
    return ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static int valuesOf(FisherTensor tensor) {
    long size = 1;
    for (long dimension : tensor.getShape()) {
      if (dimension < 0 || dimension > Integer.MAX_VALUE || size * dimension > Integer.MAX_VALUE) {
        throw new IllegalArgumentException(
            "tensor %s has the shape %s".formatted(tensor.getName(), tensor.getShape()));
      }
      size *= dimension;
    }
    return (int) size;
  }

  private static int chunksOf(int values) {
    return (int) ((values + (long) MAX_VALUES - 1) / MAX_VALUES);
  }
}
