package io.lethe.topics;

import java.time.Instant;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * A record that did not decode or broke a rule, and why.
 *
 * @param record the letter: key and value are the source record's, unless it is left out
 */
public record DeadLetter(ConsumerRecord<byte[], byte[]> record) {
  private static final String OWN = "io.lethe.";
  private static final String KAFKA = "org.apache.kafka.common.errors.RecordTooLarge";
  private static final String WITHHELD = "(withheld: it may quote the record)";

  /** Where the letter is among the dead letters: {@code partition:offset}. */
  public String position() {
    return record.partition() + ":" + record.offset();
  }

  public Optional<String> topic() {
    return text(DeadLetterHeaders.TOPIC);
  }

  public Optional<Integer> partition() {
    return text(DeadLetterHeaders.PARTITION).map(Integer::valueOf);
  }

  public Optional<Long> offset() {
    return text(DeadLetterHeaders.OFFSET).map(Long::valueOf);
  }

  /** When the source record was made. */
  public Instant time() {
    return Instant.ofEpochMilli(record.timestamp());
  }

  /** Class of the exception. */
  public Optional<String> cause() {
    return text(DeadLetterHeaders.EXCEPTION);
  }

  /** Where it failed: {@code decoding}, or the name of the topology's node. */
  public Optional<String> stage() {
    return text(DeadLetterHeaders.STAGE);
  }

  /** Whether the record was too large to be kept here: it lies at its source only. */
  public boolean isLeftOut() {
    return text(DeadLetterHeaders.LEFT_OUT).isPresent();
  }

  /** The letter that this record was once before, if it was replayed. */
  public Optional<String> replayOf() {
    return text(DeadLetterHeaders.REPLAY_OF);
  }

  /**
   * The message of the exception. Only the program's own are shown: they are written so that they
   * quote nothing; what a library says may have a subject or a sample in it.
   */
  public String message() {
    String cause = cause().orElse("");
    boolean quotesNothing = cause.startsWith(OWN) || cause.startsWith(KAFKA);
    return quotesNothing ? text(DeadLetterHeaders.MESSAGE).orElse("") : WITHHELD;
  }

  /** The headers that the source record had. */
  public Headers sourceHeaders() {
    Headers headers = new RecordHeaders();
    for (Header header : record.headers()) {
      if (!DeadLetterHeaders.isOfError(header.key())) {
        headers.add(header);
      }
    }
    return headers;
  }

  private Optional<String> text(String header) {
    return DeadLetterHeaders.text(record.headers(), header);
  }
}
