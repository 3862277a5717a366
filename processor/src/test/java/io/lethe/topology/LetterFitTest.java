package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.topics.DeadLetterHeaders;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.Topics;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class LetterFitTest {
  private static final byte[] KEY = "key".getBytes(StandardCharsets.UTF_8);
  private static final byte[] LARGE = new byte[KafkaSettings.MAX_MESSAGE_BYTES];

  private static ProducerRecord<byte[], byte[]> fit(byte[] key, byte[] value, byte[] header) {
    Headers headers = new RecordHeaders();
    headers.add("ce_id", header);
    DeadLetterHeaders.put(headers, DeadLetterHeaders.TOPIC, "lethe.dataset-lineage");
    ProducerRecord<byte[], byte[]> letter =
        new ProducerRecord<>("letters", 3, 5L, key, value, headers);
    ProducerRecord<byte[], byte[]> fitted = LetterFit.fit(List.of(letter)).get(0);
    assertThat(fitted.topic()).isEqualTo("letters");
    assertThat(fitted.partition()).isEqualTo(3);
    assertThat(fitted.timestamp()).isEqualTo(5L);
    assertThat(DeadLetterHeaders.text(fitted.headers(), DeadLetterHeaders.TOPIC))
        .contains("lethe.dataset-lineage");
    return fitted;
  }

  private static List<String> names(ProducerRecord<byte[], byte[]> letter) {
    return StreamSupport.stream(letter.headers().spliterator(), false).map(Header::key).toList();
  }

  @Test
  void theBoundIsThatOfTheDeadLetters() {
    Topics topics = new Topics("lethe.", Map.of("schema.registry.url", "mock://letters"));

    assertThat(topics.deadLetters().maxMessageBytes()).isEqualTo(KafkaSettings.MAX_MESSAGE_BYTES);
  }

  @Test
  void aLetterThatFitsStaysAsItIs() {
    byte[] value = new byte[8 << 20];

    ProducerRecord<byte[], byte[]> fitted = fit(KEY, value, KEY);

    assertThat(fitted.value()).isSameAs(value);
    assertThat(names(fitted)).doesNotContain(DeadLetterHeaders.LEFT_OUT);
  }

  @Test
  void aValueThatDoesNotFitIsLeftOut() {
    ProducerRecord<byte[], byte[]> fitted = fit(KEY, LARGE, KEY);

    assertThat(fitted.value()).isNull();
    assertThat(fitted.key()).isEqualTo(KEY);
    assertThat(names(fitted)).contains("ce_id");
    assertThat(DeadLetterHeaders.text(fitted.headers(), DeadLetterHeaders.LEFT_OUT))
        .contains("value");
  }

  @Test
  void aKeyThatDoesNotFitIsLeftOutToo() {
    ProducerRecord<byte[], byte[]> fitted = fit(LARGE, KEY, KEY);

    assertThat(fitted.key()).isNull();
    assertThat(fitted.value()).isNull();
    assertThat(names(fitted)).contains("ce_id");
    assertThat(DeadLetterHeaders.text(fitted.headers(), DeadLetterHeaders.LEFT_OUT))
        .contains("key and value");
  }

  @Test
  void headersThatDoNotFitAreLeftOutButThoseOfTheError() {
    ProducerRecord<byte[], byte[]> fitted = fit(KEY, KEY, LARGE);

    assertThat(names(fitted))
        .containsExactlyInAnyOrder(DeadLetterHeaders.TOPIC, DeadLetterHeaders.LEFT_OUT);
    assertThat(fitted.value()).isNull();
  }
}
