package io.lethe.fisher;

import io.lethe.events.FisherEncoding;
import io.lethe.events.FisherTensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/**
 * Splits a diagonal into pieces that fit a Kafka record, and joins them again.
 *
 * <p>A chunk holds values in row-major order, encoded as {@link FisherCodec} says. Every chunk of a
 * tensor but its last holds as many as fit {@link #MAX_BYTES} of float32; a tensor of no values has
 * no chunk.
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
   * @param encoding how the data holds its values
   * @param data at most {@link #MAX_BYTES}
   */
  @SuppressWarnings("ArrayRecordComponent") // handed to a serializer once
  public record Chunk(String tensor, int index, FisherEncoding encoding, byte[] data) {}

  /** A chunk's values, encoded. */
  @SuppressWarnings("ArrayRecordComponent") // handed on once
  public record Encoded(FisherEncoding encoding, byte[] data) {}

  /** Where {@link #join} gets a chunk from: a store, a map. */
  @FunctionalInterface
  public interface Source {
    /** The chunk, or null where it is missing. */
    Encoded get(String tensor, int index);
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

  /** Number of values in one chunk of a tensor. */
  public static int values(FisherTensor tensor, int index) {
    return Math.min(MAX_VALUES, valuesOf(tensor) - index * MAX_VALUES);
  }

  /** As {@link #split(FisherDiagonal, FisherEncoding, Consumer)}, exactly. */
  public static void split(FisherDiagonal diagonal, Consumer<Chunk> consumer) {
    split(diagonal, FisherEncoding.FLOAT32, consumer);
  }

  /** Gives the chunks in order, one at a time, so that a large diagonal is never copied whole. */
  public static void split(
      FisherDiagonal diagonal, FisherEncoding encoding, Consumer<Chunk> consumer) {
    for (FisherDiagonal.Tensor tensor : diagonal.tensors()) {
      float[] values = tensor.values();
      for (int index = 0, from = 0; from < values.length; index++, from += MAX_VALUES) {
        int length = Math.min(MAX_VALUES, values.length - from);
        byte[] data = FisherCodec.encode(encoding, values, from, length);
        consumer.accept(new Chunk(tensor.name(), index, encoding, data));
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
        Encoded chunk = source.get(tensor.getName(), index);
        if (chunk == null) {
          throw new IllegalArgumentException(
              "chunk %d of %d of tensor %s is missing"
                  .formatted(index, chunksOf(size), tensor.getName()));
        }
        if (values == null) {
          values = new float[size];
        }
        decode(tensor, index, chunk, values, from, length);
      }
      tensors.add(
          new FisherDiagonal.Tensor(
              tensor.getName(), tensor.getShape(), values == null ? new float[0] : values));
    }
    return new FisherDiagonal(tensors, samples);
  }

  private static void decode(
      FisherTensor tensor, int index, Encoded chunk, float[] values, int from, int length) {
    try {
      FisherCodec.decode(chunk.encoding(), chunk.data(), values, from, length);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "chunk %d of tensor %s %s".formatted(index, tensor.getName(), e.getMessage()), e);
    }
  }

  /** The values of one chunk; as {@link #join} fails. */
  static float[] decode(FisherTensor tensor, int index, Encoded chunk) {
    float[] values = new float[values(tensor, index)];
    decode(tensor, index, chunk, values, 0, values.length);
    return values;
  }

  /**
   * As {@link #join(List, long, Source)} from chunks in any order.
   *
   * @throws IllegalArgumentException also for a chunk that comes twice or that the layout lacks
   */
  public static FisherDiagonal join(
      List<FisherTensor> layout, long samples, Iterable<Chunk> chunks) {
    Map<String, Map<Integer, Encoded>> byTensor = new HashMap<>();
    int given = 0;
    for (Chunk chunk : chunks) {
      given++;
      if (byTensor
              .computeIfAbsent(chunk.tensor(), name -> new HashMap<>())
              .put(chunk.index(), new Encoded(chunk.encoding(), chunk.data()))
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

  /** CRC-32C of a chunk's bytes. */
  public static int crc32c(byte[] data) {
    return FisherCodec.crc32c(data, 0);
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
