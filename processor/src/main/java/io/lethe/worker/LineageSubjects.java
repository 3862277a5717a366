package io.lethe.worker;

import io.lethe.events.DatasetLineage;
import io.lethe.events.LineageKey;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Reads the lineage topic, which a worker must be allowed to.
 *
 * <p>RATIONALE: the stream instances have the same in their stores, but by subject, spread over all
 * of them; a job needs it by dataset. One pass over the topic gives that without another store or
 * another interface, and needs no more memory than the dataset's positions.
 */
final class LineageSubjects implements SubjectSource {
  private static final Logger log = LoggerFactory.getLogger(LineageSubjects.class);
  private static final Duration POLL = Duration.ofMillis(500);

  private final KafkaSettings kafka;
  private final Topics topics;

  LineageSubjects(KafkaSettings kafka, Topics topics) {
    this.kafka = kafka;
    this.topics = topics;
  }

  @Override
  public void forEachSubject(String datasetId, Consumer<List<String>> samples, Runnable alive) {
    try (TopicReader<LineageKey, DatasetLineage> reader =
        new TopicReader<>(kafka, topics.datasetLineage())) {
      while (!reader.isAtEnd()) {
        alive.run();
        for (TopicReader.Event<LineageKey, DatasetLineage> event : reader.pollDecodable(POLL)) {
          if (event.value() != null && event.key().getDatasetId().equals(datasetId)) {
            samples.accept(event.value().getSampleIds());
          }
        }
      }
      if (reader.passedOver() > 0) {
        log.warn(
            "records that do not decode were passed over topic={} records={}",
            topics.datasetLineage().name(),
            reader.passedOver());
      }
    }
  }
}
