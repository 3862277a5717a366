package io.lethe.schemas.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import io.lethe.events.DeletionRequest;
import io.lethe.events.FisherChunk;
import io.lethe.events.FisherCommit;
import io.lethe.events.FisherTensor;
import io.lethe.events.FisherUpdateKind;
import io.lethe.schemas.client.SchemaRegistryClient;
import io.lethe.schemas.client.SchemaRegistryClients;
import java.io.ByteArrayOutputStream;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Deserializer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A topic is open to whoever may write to it: whatever lies there costs an exception, no more. */
class HostileRecordsTest {
  private static final int RECORDS = 1_000_000;
  private static final long MOST_BYTES = 64L << 20;
  private static final String TOPIC = "t";

  private final Map<String, Object> properties =
      Map.of("schema.registry.url", "mock://" + UUID.randomUUID());
  private final SchemaRegistryClient registry = SchemaRegistryClients.open(properties);
  private final AvroSerde<SpecificRecord> serde = new AvroSerde<>();
  private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  HostileRecordsTest() {
    serde.configure(properties, false);
  }

  @AfterEach
  void close() {
    serde.close();
    registry.close();
  }

  @Test
  void aMillionHostileRecordsAreReadOrRefused() {
    // Given
    Random random = new Random(20260301);
    List<byte[]> seeds = List.of(serialize(Events.deletionRequest()), serialize(chunk()));
    Deserializer<SpecificRecord> deserializer = serde.deserializer();
    long most = 0;
    int refused = 0;

    // When
    for (int i = 0; i < RECORDS; i++) {
      byte[] record = mutate(seeds.get(i % seeds.size()), random);
      long before = threads.getCurrentThreadAllocatedBytes();
      try {
        deserializer.deserialize(TOPIC, record);
      } catch (SerializationException e) {
        refused++;
      }
      most = Math.max(most, threads.getCurrentThreadAllocatedBytes() - before);
    }

    // Then: neither is everything refused, so that the fuzz reaches the fields, nor is nothing
    assertThat(most).isLessThan(MOST_BYTES);
    assertThat(refused).isBetween(RECORDS / 2, RECORDS - RECORDS / 100);
  }

  @Test
  void deepNestingIsReadOrRefused() {
    // Given: a writer whose records have a list of lists of lists that our class does not know
    Schema own = DeletionRequest.getClassSchema();
    String nested =
        "{\"name\":\"nested\",\"type\":{\"type\":\"record\",\"name\":\"Node\",\"fields\":["
            + "{\"name\":\"next\",\"type\":[\"null\",\"Node\"]}]}},";
    Schema writer =
        new Schema.Parser()
            .parse(own.toString().replaceFirst("\"fields\":\\[", "\"fields\":[" + nested));
    ByteArrayOutputStream record = new ByteArrayOutputStream();
    record.writeBytes(WireFormat.header(registry.register(TOPIC + "-value", writer)));
    byte[] levels = new byte[1_000_000];
    Arrays.fill(levels, (byte) 2);
    record.writeBytes(levels);

    // When
    long before = threads.getCurrentThreadAllocatedBytes();
    assertThatThrownBy(() -> serde.deserializer().deserialize(TOPIC, record.toByteArray()))

        // Then
        .isInstanceOf(SerializationException.class);
    assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(MOST_BYTES);
  }

  private static byte[] mutate(byte[] seed, Random random) {
    byte[] record = seed.clone();
    int at = WireFormat.HEADER_BYTES + random.nextInt(record.length - WireFormat.HEADER_BYTES);
    switch (random.nextInt(8)) {
      case 0 -> record[0] = (byte) random.nextInt();
      case 1 -> ByteBuffer.wrap(record).putInt(1, random.nextInt());
      case 2 -> record = Arrays.copyOf(record, random.nextInt(record.length));
      case 3 -> record[at] = (byte) random.nextInt();
      case 4 -> length(record, at, Integer.MAX_VALUE);
      case 5 -> length(record, at, random.nextLong());
      case 6 -> {
        for (int i = at; i < record.length; i++) {
          record[i] = (byte) random.nextInt();
        }
      }
      default -> record[at] ^= (byte) (1 << random.nextInt(8));
    }
    return record;
  }

  /** Overwrites with the encoding of a long, as far as it fits. */
  private static void length(byte[] record, int at, long value) {
    long zigzag = (value << 1) ^ (value >> 63);
    for (int i = at; i < record.length; i++) {
      boolean last = (zigzag & ~0x7FL) == 0;
      record[i] = (byte) (last ? zigzag : (zigzag & 0x7F) | 0x80);
      if (last) {
        return;
      }
      zigzag >>>= 7;
    }
  }

  private byte[] serialize(SpecificRecord record) {
    return serde.serializer().serialize(TOPIC, record);
  }

  private static FisherChunk chunk() {
    return FisherChunk.newBuilder()
        .setJobId(new UUID(1, 2))
        .setModelId("mnist-cnn")
        .setAnchorId("anchor")
        .setKind(FisherUpdateKind.SUBTRACT)
        .setTensor("")
        .setChunk(3)
        .setData(ByteBuffer.wrap(new byte[64]))
        .setCrc32c(17)
        .setCommit(
            FisherCommit.newBuilder()
                .setTensors(List.of(new FisherTensor("conv.weight", List.of(8L, 1L, 3L, 3L))))
                .setChunks(4)
                .setSamples(1000)
                .build())
        .build();
  }
}
