package io.lethe.topology;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Selector;
import io.lethe.events.SelectorKind;
import io.lethe.state.RequestEvent;
import io.lethe.topics.DeadLetterHeaders;
import io.lethe.topics.Topic;
import io.lethe.tracking.TrackingOutput;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * Makes the dead letter of a command whose request did not arrive: the command under the request's
 * id, as its producer could have sent it, so that it can be replayed like any other letter.
 */
final class UndeliverableCommands
    extends ContextualProcessor<String, TrackingOutput.Undeliverable, byte[], byte[]> {
  private static final String STAGE = "tracking-early";

  private final Topic<String, DeletionRequest> topic;

  UndeliverableCommands(Topic<String, DeletionRequest> topic) {
    this.topic = topic;
  }

  @Override
  public void process(Record<String, TrackingOutput.Undeliverable> record) {
    RequestEvent command = record.value().command();
    Exception cause = record.value().cause();
    Headers headers = new RecordHeaders(record.headers()); // the trace
    byte[] value =
        topic.valueSerde().serializer().serialize(topic.name(), headers, request(command));
    DeadLetterHeaders.put(headers, DeadLetterHeaders.EXCEPTION, cause.getClass().getName());
    DeadLetterHeaders.put(headers, DeadLetterHeaders.MESSAGE, cause.getMessage());
    DeadLetterHeaders.put(headers, DeadLetterHeaders.STAGE, STAGE);
    DeadLetterHeaders.put(headers, DeadLetterHeaders.TOPIC, topic.name());
    if (command.getSourceTopic().filter(topic.name()::equals).isPresent()) {
      DeadLetterHeaders.put(
          headers, DeadLetterHeaders.PARTITION, Integer.toString(command.getSourcePartition()));
      DeadLetterHeaders.put(
          headers, DeadLetterHeaders.OFFSET, Long.toString(command.getSourceOffset()));
    }
    byte[] key = record.key().getBytes(StandardCharsets.UTF_8);
    context().forward(new Record<>(key, value, record.timestamp(), headers));
  }

  private static DeletionRequest request(RequestEvent command) {
    return DeletionRequest.newBuilder()
        .setRequestId(command.getRequestId())
        .setSelector(Selector.newBuilder().setKind(SelectorKind.SUBJECT).build())
        .setCommand(command.getCommand().orElseThrow())
        .setReason(command.getReason().orElse(null))
        .setDueAt(command.getDueAt().orElse(null))
        .setReceivedAt(command.getReceivedAt().orElseThrow())
        .build();
  }
}
