package io.lethe.registry;

import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.lethe.events.DeletionRequest;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.schemas.serde.AvroDeserializer;
import io.lethe.schemas.serde.AvroSerializer;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.LongSupplier;

/**
 * Time of a DeletionRequest through our serializer and deserializer beside Confluent's own, in one
 * run: short rounds of both in turn, so that what else the machine does falls on both, and the
 * median of the rounds' ratios. A program, not a test: a threshold on time fails on a busy machine.
 */
final class SerdeSpeedComparison {
  private static final int WARM_UP_ROUNDS = 30;
  private static final int ROUNDS = 101;
  private static final int RECORDS = 20_000;
  private static final String TOPIC = "lethe.deletion-requests";

  private SerdeSpeedComparison() {}

  public static void main(String[] args) {
    Map<String, Object> settings =
        Map.of("schema.registry.url", "mock://speed", "specific.avro.reader", true);
    DeletionRequest request =
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
    try (AvroSerializer<DeletionRequest> ours = new AvroSerializer<>();
        AvroDeserializer<DeletionRequest> oursBack = new AvroDeserializer<>();
        KafkaAvroSerializer theirs = new KafkaAvroSerializer();
        KafkaAvroDeserializer theirsBack = new KafkaAvroDeserializer()) {
      ours.configure(settings, false);
      oursBack.configure(settings, false);
      theirs.configure(settings, false);
      theirsBack.configure(settings, false);
      byte[] oursBytes = ours.serialize(TOPIC, request);
      byte[] theirsBytes = theirs.serialize(TOPIC, request);
      compare(
          "serialize",
          () -> ours.serialize(TOPIC, request).length,
          () -> theirs.serialize(TOPIC, request).length);
      compare(
          "deserialize",
          () -> oursBack.deserialize(TOPIC, oursBytes).getModels().size(),
          () -> ((DeletionRequest) theirsBack.deserialize(TOPIC, theirsBytes)).getModels().size());
    }
  }

  private static void compare(String what, LongSupplier ours, LongSupplier theirs) {
    double[] ratios = new double[ROUNDS];
    double[] nanos = new double[ROUNDS];
    for (int round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      double our = nanosEach(ours);
      double their = nanosEach(theirs);
      if (round >= 0) {
        ratios[round] = our / their;
        nanos[round] = our;
      }
    }
    System.out.printf("%s: %.0f ns, %.2f times Confluent's%n", what, median(nanos), median(ratios));
  }

  private static double nanosEach(LongSupplier work) {
    long sum = 0;
    long start = System.nanoTime();
    for (int i = 0; i < RECORDS; i++) {
      sum += work.getAsLong();
    }
    double nanos = System.nanoTime() - start;
    if (sum <= 0) {
      throw new IllegalStateException("nothing was done"); // also keeps the work from being dropped
    }
    return nanos / RECORDS;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}
