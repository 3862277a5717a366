package io.lethe.topology;

import io.lethe.topics.DeadLetterHeaders;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.RecordSizes;
import java.util.List;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * Makes dead letters fit their topic. Of a record that is too large a letter has the cause and the
 * source, where the record lies until that topic is cleaned up, but not its value; nor its key and
 * its headers, where those are the large ones.
 */
final class LetterFit {
  private static final int LARGEST = KafkaSettings.MAX_MESSAGE_BYTES - RecordSizes.ROOM;

  private LetterFit() {}

  static List<ProducerRecord<byte[], byte[]>> fit(List<ProducerRecord<byte[], byte[]>> letters) {
    return letters.stream().map(LetterFit::fit).toList();
  }

  private static ProducerRecord<byte[], byte[]> fit(ProducerRecord<byte[], byte[]> letter) {
    if (fits(letter)) {
      return letter;
    }
    Headers all = new RecordHeaders(letter.headers());
    DeadLetterHeaders.put(all, DeadLetterHeaders.LEFT_OUT, "value");
    ProducerRecord<byte[], byte[]> keyed = with(letter, letter.key(), all);
    if (fits(keyed)) {
      return keyed;
    }
    DeadLetterHeaders.put(all, DeadLetterHeaders.LEFT_OUT, "key and value");
    ProducerRecord<byte[], byte[]> keyless = with(letter, null, all);
    if (fits(keyless)) {
      return keyless;
    }
    Headers ofError = new RecordHeaders();
    for (Header header : all) {
      if (DeadLetterHeaders.isOfError(header.key())) {
        ofError.add(header);
      }
    }
    DeadLetterHeaders.put(ofError, DeadLetterHeaders.LEFT_OUT, "key, value and headers");
    return with(letter, null, ofError);
  }

  private static boolean fits(ProducerRecord<byte[], byte[]> letter) {
    return RecordSizes.of(letter.key())
            + RecordSizes.of(letter.value())
            + RecordSizes.of(letter.headers())
        <= LARGEST;
  }

  private static ProducerRecord<byte[], byte[]> with(
      ProducerRecord<byte[], byte[]> letter, byte[] key, Headers headers) {
    return new ProducerRecord<>(
        letter.topic(), letter.partition(), letter.timestamp(), key, null, headers);
  }
}
