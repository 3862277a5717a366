package io.lethe.topology;

import java.util.Optional;
import java.util.function.Function;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Forwards outputs of one kind.
 *
 * <p>RATIONALE: {@code flatMapValues} does the same, but makes a list of each output and copies the
 * headers of those that it drops; each output passes three of these.
 */
final class OneKind<O, V> extends ContextualProcessor<String, O, String, V> {
  private final Function<O, Optional<V>> kind;

  /**
   * @param kind what to forward of an output; empty for one of another kind
   */
  OneKind(Function<O, Optional<V>> kind) {
    this.kind = kind;
  }

  @Override
  public void process(Record<String, O> record) {
    kind.apply(record.value()).ifPresent(value -> context().forward(record.withValue(value)));
  }
}
