package io.lethe.registry;

import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.lethe.events.DeletionRequest;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.schemas.serde.AvroDeserializer;
import io.lethe.schemas.serde.AvroSerializer;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A DeletionRequest through our serializer and deserializer beside Confluent's own, in one run. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(3)
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 6, time = 1)
public class SerdeBenchmark {
  private static final String TOPIC = "lethe.deletion-requests";

  private final DeletionRequest request =
      DeletionRequest.newBuilder()
          .setRequestId(new UUID(1, 2))
          .setSelector(
              Selector.newBuilder()
                  .setKind(SelectorKind.SUBJECT)
                  .setSubjectId("q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k")
                  .build())
          .setModels(List.of("handwriting"))
          .setReceivedAt(Instant.parse("2026-01-31T12:00:00Z"))
          .build();
  private final AvroSerializer<DeletionRequest> ours = new AvroSerializer<>();
  private final AvroDeserializer<DeletionRequest> oursBack = new AvroDeserializer<>();
  private final KafkaAvroSerializer theirs = new KafkaAvroSerializer();
  private final KafkaAvroDeserializer theirsBack = new KafkaAvroDeserializer();
  private byte[] oursBytes;
  private byte[] theirsBytes;

  @Setup
  public void configure() {
    Map<String, Object> settings =
        Map.of("schema.registry.url", "mock://speed", "specific.avro.reader", true);
    ours.configure(settings, false);
    oursBack.configure(settings, false);
    theirs.configure(settings, false);
    theirsBack.configure(settings, false);
    oursBytes = ours.serialize(TOPIC, request);
    theirsBytes = theirs.serialize(TOPIC, request);
  }

  @TearDown
  public void close() {
    ours.close();
    oursBack.close();
    theirs.close();
    theirsBack.close();
  }

  @Benchmark
  public byte[] serializeOurs() {
    return ours.serialize(TOPIC, request);
  }

  @Benchmark
  public byte[] serializeConfluent() {
    return theirs.serialize(TOPIC, request);
  }

  @Benchmark
  public DeletionRequest deserializeOurs() {
    return oursBack.deserialize(TOPIC, oursBytes);
  }

  @Benchmark
  public Object deserializeConfluent() {
    return theirsBack.deserialize(TOPIC, theirsBytes);
  }
}
