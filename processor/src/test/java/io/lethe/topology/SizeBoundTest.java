package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.topics.KafkaSettings;
import io.lethe.topics.RecordSizes;
import io.lethe.topics.Topic;
import io.lethe.topics.Topics;
import java.util.Map;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.junit.jupiter.api.Test;

class SizeBoundTest {
  private static final Topics TOPICS =
      new Topics("lethe.", Map.of("schema.registry.url", "mock://bounds"));
  private static final Topic<?, ?> TOPIC = TOPICS.datasetLineage();

  private final Deserializer<byte[]> bounded =
      SizeBound.bounded(TOPIC, Serdes.ByteArray()).deserializer();

  @Test
  void aValueOfTheSizeThatTheTopicTakesIsRead() {
    byte[] largest = new byte[(int) SizeBound.of(TOPIC)];

    assertThat(bounded.deserialize(TOPIC.name(), new RecordHeaders(), largest)).isSameAs(largest);
    assertThat(bounded.deserialize(TOPIC.name(), null)).isNull();
  }

  @Test
  void aLargerOneIsNotAndTheMessageSaysOnlyHowLargeItIs() {
    byte[] larger = new byte[(int) SizeBound.of(TOPIC) + 1];

    assertThatThrownBy(() -> bounded.deserialize(TOPIC.name(), new RecordHeaders(), larger))
        .isInstanceOf(SerializationException.class)
        .hasMessage(
            "a key or value of 8384513 bytes, with the headers, is larger than topic"
                + " lethe.dataset-lineage takes (8384512)");
  }

  @Test
  void headersCount() {
    Headers headers = new RecordHeaders();
    headers.add("large", new byte[(int) SizeBound.of(TOPIC)]);

    assertThatThrownBy(() -> bounded.deserialize(TOPIC.name(), headers, new byte[1]))
        .isInstanceOf(OversizeRecordException.class);
  }

  @Test
  void aKeyTogetherWithAValueOfRequestsAndLineageFitsInternalTopics() {
    long ofRequests = SizeBound.of(TOPICS.deletionRequests());
    long ofLineage = SizeBound.of(TOPICS.datasetLineage());

    assertThat(2 * Math.max(ofRequests, ofLineage) + RecordSizes.ROOM)
        .isLessThanOrEqualTo(KafkaSettings.MAX_MESSAGE_BYTES);
  }
}
