package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.embedded.EmbeddedBroker;
import io.lethe.events.DatasetLineage;
import io.lethe.events.LineageKey;
import io.lethe.registry.EmbeddedSchemaRegistry;
import io.lethe.topics.EventProducer;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicAdmin;
import io.lethe.topics.Topics;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a worker reads of the lineage topic. */
class LineageSubjectsIT {
  private static final Instant NOW = Instant.parse("2026-01-01T00:00:00Z");

  @TempDir Path directory;

  @Test
  void theSubjectsOfADatasetAreReadToTheEndAndWhatDoesNotDecodeIsPassedOver() throws Exception {
    try (EmbeddedBroker broker = EmbeddedBroker.start(directory.resolve("broker"), 0);
        EmbeddedSchemaRegistry registry =
            EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0)) {
      KafkaSettings kafka =
          new KafkaSettings(
              Map.of("bootstrap.servers", broker.bootstrapServers()),
              Map.of("schema.registry.url", registry.url()));
      Topics topics = new Topics("lethe.", kafka.registry());
      new TopicAdmin(kafka).ensure(topics, 3, (short) 1);
      LineageSubjects subjects = new LineageSubjects(kafka, topics);

      // Given: an empty topic has an end too
      assertThat(read(subjects)).isEmpty();
      List<List<String>> expected = new ArrayList<>();
      try (EventProducer producer = new EventProducer(kafka)) {
        for (int i = 0; i < 50; i++) {
          String subject = "p" + i;
          List<String> samples = List.of("a" + i, "b" + i);
          expected.add(samples);
          lineage(producer, topics, subject, "d", samples);
          lineage(producer, topics, subject, "other", List.of("x" + i));
        }
        producer.send(topics.datasetLineage(), new LineageKey("p0", "other"), null).join();
      }
      Properties raw = new Properties();
      raw.put("bootstrap.servers", broker.bootstrapServers());
      try (KafkaProducer<byte[], byte[]> producer =
          new KafkaProducer<>(raw, new ByteArraySerializer(), new ByteArraySerializer())) {
        producer
            .send(new ProducerRecord<>(topics.datasetLineage().name(), new byte[] {1}, new byte[3]))
            .get();
      }

      // When
      List<List<String>> found = read(subjects);

      // Then
      assertThat(found).containsExactlyInAnyOrderElementsOf(expected);
    }
  }

  private static List<List<String>> read(LineageSubjects subjects) {
    List<List<String>> found = new ArrayList<>();
    subjects.forEachSubject("d", found::add, () -> {});
    return found;
  }

  private static void lineage(
      EventProducer producer,
      Topics topics,
      String subject,
      String datasetId,
      List<String> samples) {
    producer
        .send(
            topics.datasetLineage(),
            new LineageKey(subject, datasetId),
            new DatasetLineage(subject, datasetId, samples, NOW))
        .join();
  }
}
