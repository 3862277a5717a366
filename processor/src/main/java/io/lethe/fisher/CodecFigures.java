package io.lethe.fisher;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.FisherEncoding;
import java.util.ArrayList;
import java.util.List;

/** Size, speed and error of the encodings on one diagonal. */
public final class CodecFigures {
  private static final double MIB = 1 << 20;
  private static final double NANOS = 1e9;

  /** The last round counts: by then the code is compiled. */
  private static final int ROUNDS = 5;

  private CodecFigures() {}

  /**
   * @return for each encoding MiB, share of float32's size, MiB of float32 that are encoded and
   *     decoded per second on one thread, and the largest relative error
   */
  public static ObjectNode of(FisherDiagonal diagonal) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    for (FisherEncoding encoding : FisherEncoding.values()) {
      json.set(encoding.name(), of(diagonal, encoding));
    }
    return json;
  }

  private static ObjectNode of(FisherDiagonal diagonal, FisherEncoding encoding) {
    double raw = diagonal.size() * Float.BYTES / MIB;
    List<FisherChunks.Chunk> chunks = new ArrayList<>();
    FisherDiagonal back = diagonal;
    double encodeSeconds = 0;
    double decodeSeconds = 0;
    for (int round = 0; round < ROUNDS; round++) {
      chunks.clear();
      long began = System.nanoTime();
      FisherChunks.split(diagonal, encoding, chunks::add);
      long encoded = System.nanoTime();
      back = FisherChunks.join(FisherChunks.layout(diagonal), diagonal.samples(), chunks);
      encodeSeconds = (encoded - began) / NANOS;
      decodeSeconds = (System.nanoTime() - encoded) / NANOS;
    }
    double size = chunks.stream().mapToLong(chunk -> chunk.data().length).sum() / MIB;
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("mib", size);
    json.put("share", size / raw);
    json.put("encodeMibPerSecond", raw / encodeSeconds);
    json.put("decodeMibPerSecond", raw / decodeSeconds);
    json.put("largestRelativeError", largestError(diagonal, back));
    return json;
  }

  private static double largestError(FisherDiagonal expected, FisherDiagonal actual) {
    double largest = 0;
    for (int t = 0; t < expected.tensors().size(); t++) {
      float[] values = expected.tensors().get(t).values();
      float[] others = actual.tensors().get(t).values();
      for (int i = 0; i < values.length; i++) {
        if (values[i] >= Float.MIN_NORMAL) {
          largest = Math.max(largest, Math.abs((double) others[i] - values[i]) / values[i]);
        }
      }
    }
    return largest;
  }
}
