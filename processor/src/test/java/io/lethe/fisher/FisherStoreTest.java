package io.lethe.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherEncoding;
import io.lethe.events.FisherUpdateKind;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.UUID;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.MockProcessorContext;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class FisherStoreTest {
  private static final int VALUES = FisherChunks.MAX_BYTES / Float.BYTES + 5;

  private KeyValueStore<Bytes, byte[]> store;
  private FisherStore sums;

  @BeforeEach
  void open() {
    store =
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore("s"), Serdes.Bytes(), Serdes.ByteArray())
            .withLoggingDisabled()
            .build();
    MockProcessorContext<Void, Void> context = new MockProcessorContext<>();
    store.init(context.getStateStoreContext(), store);
    sums = new FisherStore(store);
  }

  @ParameterizedTest
  @EnumSource
  void manySmallBatchesAddUpBesideALargeSnapshot(FisherEncoding encoding) {
    // Given a snapshot of which one batch is a ten-thousandth: below bfloat16's last digit
    FisherDiagonal all = diagonal(1, 10_000, 1f);
    FisherDiagonal batch = diagonal(1, 1, 1e-4f);
    apply(0, FisherUpdateKind.SNAPSHOT, all, encoding);

    // When
    for (int job = 1; job <= 500; job++) {
      assertThat(apply(job, FisherUpdateKind.SUBTRACT, batch, encoding))
          .isEqualTo(FisherStore.Result.APPLIED);
    }

    // Then
    List<UUID> applied = sums.state("m", "a").orElseThrow().getAppliedJobs();
    assertThat(applied)
        .as("the snapshot's and the last ones, however many there were")
        .hasSize(100)
        .startsWith(new UUID(0, 0))
        .endsWith(new UUID(0, 499), new UUID(0, 500));
    FisherSums read = new FisherReader(store).sums("m", "a").orElseThrow();
    double rounding = encoding == FisherEncoding.FLOAT32 ? 1e-5 : 1.0 / 256;
    assertThat(read.erased().samples()).isEqualTo(500);
    assertThat(read.retained().samples()).isEqualTo(9_500);
    for (int i = 0; i < VALUES; i++) {
      double value = all.tensors().get(0).values()[i];
      assertThat((double) read.erased().tensors().get(0).values()[i])
          .isBetween(0.05 * value * (1 - rounding), 0.05 * value * (1 + rounding));
      assertThat((double) read.retained().tensors().get(0).values()[i])
          .isBetween(value * (0.95 - 1.1 * rounding), value * (0.95 + 1.1 * rounding));
    }
  }

  @ParameterizedTest
  @EnumSource
  void nothingIsErasedBeforeTheFirstBatch(FisherEncoding encoding) {
    FisherDiagonal all = diagonal(1, 7, 1f);

    apply(0, FisherUpdateKind.SNAPSHOT, all, encoding);

    FisherSums read = new FisherReader(store).sums("m", "a").orElseThrow();
    assertThat(read.erased()).usingRecursiveComparison().isEqualTo(all.zero());
    if (encoding == FisherEncoding.FLOAT32) {
      assertThat(read.retained()).usingRecursiveComparison().isEqualTo(all);
    }
  }

  @ParameterizedTest
  @EnumSource
  void namesAStoredChunkThatIsDamagedOrMissing(FisherEncoding encoding) {
    apply(0, FisherUpdateKind.SNAPSHOT, diagonal(1, 7, 1f), encoding);
    FisherReader reader = new FisherReader(store);
    Bytes key = FisherKeys.key("m", "a", FisherKeys.SNAPSHOT, "w", 1);
    byte[] good = store.get(key);
    for (int at = 0; at < good.length; at++) {
      byte[] bad = good.clone();
      bad[at] ^= 4;
      store.put(key, bad);

      assertThatThrownBy(() -> reader.sums("m", "a"))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessage("chunk 1 of tensor w is damaged: its checksum is wrong");
    }
    store.delete(key);

    assertThatThrownBy(() -> reader.sums("m", "a"))
        .hasMessage("chunk 1 of 2 of tensor w is missing");
  }

  @ParameterizedTest
  @EnumSource
  void refusesAChunkThatWasDamagedOnItsWayAndAnUpdateThatLacksOne(FisherEncoding encoding) {
    List<FisherChunk> records = records(0, FisherUpdateKind.SNAPSHOT, diagonal(1, 7, 1f), encoding);
    FisherChunk first = records.get(0);
    byte[] bytes = first.getData().array().clone();
    bytes[bytes.length / 2] ^= 1;
    FisherChunk damaged = FisherChunk.newBuilder(first).setData(ByteBuffer.wrap(bytes)).build();

    assertThatThrownBy(() -> sums.apply(damaged))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessage("checksum of Fisher chunk 0 of tensor w is wrong");
    sums.apply(records.get(1));
    assertThat(sums.apply(records.get(2))).isEqualTo(FisherStore.Result.INCOMPLETE);
    assertThat(sums.apply(first)).isEqualTo(FisherStore.Result.STAGED);
    assertThat(sums.apply(records.get(2))).isEqualTo(FisherStore.Result.APPLIED);
    assertThat(sums.apply(records.get(2))).isEqualTo(FisherStore.Result.DUPLICATE);
  }

  private FisherStore.Result apply(
      int job, FisherUpdateKind kind, FisherDiagonal diagonal, FisherEncoding encoding) {
    FisherStore.Result last = null;
    for (FisherChunk record : records(job, kind, diagonal, encoding)) {
      last = sums.apply(record);
    }
    return last;
  }

  private static List<FisherChunk> records(
      int job, FisherUpdateKind kind, FisherDiagonal diagonal, FisherEncoding encoding) {
    List<FisherChunk> records = new ArrayList<>();
    FisherChunks.split(
        diagonal,
        encoding,
        chunk ->
            records.add(
                record(job, kind)
                    .setTensor(chunk.tensor())
                    .setChunk(chunk.index())
                    .setEncoding(chunk.encoding())
                    .setData(ByteBuffer.wrap(chunk.data()))
                    .setCrc32c(FisherChunks.crc32c(chunk.data()))
                    .build()));
    records.add(
        record(job, kind)
            .setCommit(
                new FisherCommit(FisherChunks.layout(diagonal), records.size(), diagonal.samples()))
            .build());
    return records;
  }

  private static FisherChunk.Builder record(int job, FisherUpdateKind kind) {
    return FisherChunk.newBuilder()
        .setJobId(new UUID(0, job))
        .setModelId("m")
        .setAnchorId("a")
        .setKind(kind)
        .setTensor("")
        .setChunk(0)
        .setData(ByteBuffer.allocate(0))
        .setCrc32c(0);
  }

  private static FisherDiagonal diagonal(long seed, long samples, float scale) {
    Random random = new Random(seed);
    float[] values = new float[VALUES];
    for (int i = 0; i < VALUES; i++) {
      values[i] = scale * (1 + random.nextFloat());
    }
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("w", List.of((long) VALUES), values)), samples);
  }
}
