package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class EmbeddingFormTest {
  private static final int ITEMS = 512;
  private static final int WIDTH = 64;

  @Test
  void whatIsReshapedFromItsSquaresOutlivesThem() {
    // Given
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray items = manager.arange(ITEMS).reshape(1, ITEMS);
      NDArray ones = manager.ones(new Shape(1, ITEMS, WIDTH));
      NDArray squares =
          new EmbeddingForm(new Shape(ITEMS, WIDTH)).squares(items, ones).get("embedding");
      NDArray shaped = squares.reshape(ITEMS * WIDTH);

      // When: they are closed, and Java takes back what it lent and uses it anew
      squares.close();
      List<ByteBuffer> others = new ArrayList<>();
      for (int round = 0; round < 20; round++) {
        System.gc();
        ByteBuffer other = ByteBuffer.allocateDirect(ITEMS * WIDTH * Double.BYTES);
        while (other.hasRemaining()) {
          other.put((byte) 0x41);
        }
        others.add(other);
      }

      // Then
      assertThat(others).hasSize(20);
      assertThat(shaped.sum().getDouble()).isEqualTo(ITEMS * WIDTH);
    }
  }
}
