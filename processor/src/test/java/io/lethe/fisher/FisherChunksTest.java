package io.lethe.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.FisherEncoding;
import io.lethe.events.FisherTensor;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FisherChunksTest {
  private static final int PER_CHUNK = FisherChunks.MAX_BYTES / 4;

  @Test
  void joinsWhatItSplitInAnyOrder() {
    FisherDiagonal diagonal = random(2 * PER_CHUNK + 3, 1, PER_CHUNK, 0);
    List<FisherChunks.Chunk> chunks = new ArrayList<>(FisherChunks.split(diagonal));
    Collections.shuffle(chunks, new Random(1));

    FisherDiagonal joined = FisherChunks.join(FisherChunks.layout(diagonal), 9, chunks);

    assertThat(joined).usingRecursiveComparison().isEqualTo(diagonal);
    assertThat(chunks).hasSize(5).hasSize(FisherChunks.count(FisherChunks.layout(diagonal)));
    assertThat(chunks).allSatisfy(c -> assertThat(c.data()).hasSizeLessThanOrEqualTo(524_288));
  }

  @Test
  void bytesAreLittleEndianFloats() {
    FisherDiagonal one =
        new FisherDiagonal(
            List.of(new FisherDiagonal.Tensor("w", List.of(1L), new float[] {1f})), 1);

    assertThat(FisherChunks.split(one).get(0).data()).containsExactly(0, 0, 0x80, 0x3f);
  }

  @Test
  void namesTheMissingChunk() {
    FisherDiagonal diagonal = random(2 * PER_CHUNK + 3, 1);
    List<FisherChunks.Chunk> chunks = new ArrayList<>(FisherChunks.split(diagonal));
    chunks.remove(1);

    assertThatThrownBy(() -> FisherChunks.join(FisherChunks.layout(diagonal), 9, chunks))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("chunk 1 of 3 of tensor t0 is missing");
  }

  @Test
  void refusesAChunkOfTheWrongSizeOrOneTooMany() {
    FisherDiagonal diagonal = random(5);
    List<FisherTensor> layout = FisherChunks.layout(diagonal);
    List<FisherChunks.Chunk> extra = new ArrayList<>(FisherChunks.split(diagonal));
    extra.add(new FisherChunks.Chunk("t0", 1, FisherEncoding.FLOAT32, new byte[4]));

    assertThatThrownBy(
            () ->
                FisherChunks.join(
                    layout,
                    1,
                    (tensor, index) ->
                        new FisherChunks.Encoded(FisherEncoding.FLOAT32, new byte[16])))
        .hasMessage("chunk 0 of tensor t0 holds 16 bytes, not 20");
    assertThatThrownBy(() -> FisherChunks.join(layout, 1, extra))
        .hasMessage("2 chunks for a layout of 1");
  }

  @Test
  void aHostileLayoutAllocatesNothing() {
    List<FisherTensor> layout = List.of(new FisherTensor("w", List.of(1L << 30, 1L << 30)));
    List<FisherTensor> large = List.of(new FisherTensor("w", List.of(2_000_000_000L)));

    assertThatThrownBy(() -> FisherChunks.join(layout, 1, (tensor, index) -> null))
        .hasMessageContaining("tensor w has the shape");
    assertThatThrownBy(() -> FisherChunks.join(large, 1, (tensor, index) -> null))
        .hasMessageContaining("is missing");
  }

  private static FisherDiagonal random(int... sizes) {
    Random random = new Random(sizes.length);
    List<FisherDiagonal.Tensor> tensors = new ArrayList<>();
    for (int t = 0; t < sizes.length; t++) {
      float[] values = new float[sizes[t]];
      for (int i = 0; i < values.length; i++) {
        values[i] = random.nextFloat();
      }
      tensors.add(new FisherDiagonal.Tensor("t" + t, List.of((long) sizes[t]), values));
    }
    return new FisherDiagonal(tensors, 9);
  }
}
