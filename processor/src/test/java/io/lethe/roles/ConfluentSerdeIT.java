package io.lethe.roles;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.confluent.kafka.serializers.KafkaAvroDeserializer;
import io.confluent.kafka.serializers.KafkaAvroSerializer;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelRegistered;
import io.lethe.events.RequestStatus;
import io.lethe.schemas.serde.EventSerdes;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The whole program once with Confluent's own serializer and deserializer in place of ours. */
class ConfluentSerdeIT {
  @TempDir Path directory;

  @Test
  void aRequestIsCompletedOnConfluentsSerde() {
    Map<String, Object> overrides =
        Map.of(
            "kafka." + EventSerdes.SERIALIZER,
            KafkaAvroSerializer.class.getName(),
            "kafka." + EventSerdes.DESERIALIZER,
            KafkaAvroDeserializer.class.getName(),
            "lethe.stream.commit-interval",
            "25ms");
    try (EmbeddedStack stack =
            EmbeddedStack.start(
                new EmbeddedStack.Place(directory.resolve("data"), 0, 0, 0, overrides));
        EventProducer producer = new EventProducer(stack.context().getBean(KafkaSettings.class))) {
      // Given
      Topics topics = stack.context().getBean(Topics.class);
      assertThat(
              EventSerdes.of(
                      ModelRegistered.class,
                      stack.context().getBean(KafkaSettings.class).registry(),
                      false)
                  .serializer())
          .isInstanceOf(KafkaAvroSerializer.class);
      SmallCase small = new SmallCase(producer, topics);
      small.publishLineage();
      small.register("m", small.train(directory, 1), SmallCase.policy(1, 1));

      // When
      UUID id = small.request(small.subjects().get(0), null);

      // Then
      List<ErasureReceipt> receipts = new ArrayList<>();
      try (TopicReader<String, ErasureReceipt> reader =
          new TopicReader<>(
              stack.context().getBean(KafkaSettings.class), topics.erasureReceipts())) {
        await()
            .atMost(Duration.ofMinutes(2))
            .until(
                () -> {
                  reader.poll(Duration.ofMillis(200)).forEach(event -> receipts.add(event.value()));
                  return !receipts.isEmpty();
                });
      }
      assertThat(receipts).extracting(ErasureReceipt::getRequestId).containsExactly(id);
      assertThat(receipts.get(0).getStatus()).isEqualTo(RequestStatus.COMPLETED);
    }
  }
}
