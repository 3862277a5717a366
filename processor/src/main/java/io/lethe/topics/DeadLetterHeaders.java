package io.lethe.topics;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/**
 * What a dead letter says about itself. Key, value and the other headers are the source record's,
 * as far as they are not left out. The names with {@code __streams} are Kafka Streams' own.
 */
public final class DeadLetterHeaders {
  private static final String ERRORS = "__streams.errors.";

  /** Class of the exception. */
  public static final String EXCEPTION = ERRORS + "exception";

  /** Its message. */
  public static final String MESSAGE = ERRORS + "message";

  /** Topic of the source record. */
  public static final String TOPIC = ERRORS + "topic";

  /** Partition of the source record. */
  public static final String PARTITION = ERRORS + "partition";

  /** Offset of the source record. */
  public static final String OFFSET = ERRORS + "offset";

  /** Where it failed: {@code decoding}, or the name of the topology's node. */
  public static final String STAGE = "lethe.dead-letter.stage";

  /**
   * What of the source record was too large for the dead letters and is left out of this one: its
   * value, perhaps its key and its headers too.
   */
  public static final String LEFT_OUT = "lethe.dead-letter.left-out";

  /**
   * On a record that was replayed: partition and offset, with a colon, of the dead letter that it
   * was. A replayed record that fails again keeps it in its new letter.
   */
  public static final String REPLAY_OF = "lethe.dead-letter.replay-of";

  private DeadLetterHeaders() {}

  /** Whether a header is about the error, not of the source record. */
  public static boolean isOfError(String name) {
    return name.startsWith(ERRORS) || name.equals(STAGE) || name.equals(LEFT_OUT);
  }

  public static void put(Headers headers, String name, String value) {
    headers.remove(name);
    headers.add(name, value.getBytes(StandardCharsets.UTF_8));
  }

  /** The last value of a header. */
  public static Optional<String> text(Headers headers, String name) {
    Header header = headers.lastHeader(name);
    return header == null || header.value() == null
        ? Optional.empty()
        : Optional.of(new String(header.value(), StandardCharsets.UTF_8));
  }
}
