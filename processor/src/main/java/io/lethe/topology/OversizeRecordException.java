package io.lethe.topology;

import org.apache.kafka.common.errors.SerializationException;

/** A record that is larger than its topic takes, before compression. Its message quotes nothing. */
final class OversizeRecordException extends SerializationException {
  private static final long serialVersionUID = 1L;

  OversizeRecordException(String topic, long bytes, long limit) {
    super(
        "a key or value of %d bytes, with the headers, is larger than topic %s takes (%d)"
            .formatted(bytes, topic, limit));
  }
}
