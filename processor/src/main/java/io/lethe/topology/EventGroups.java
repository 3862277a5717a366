package io.lethe.topology;

import io.lethe.batching.BatchingOutput;
import io.lethe.state.RequestEvent;
import io.lethe.state.RequestEvents;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;

/**
 * What a model says about the requests of a batch goes to tracking in a few records, one or more
 * for each partition, and not in one for each request: those would be most of the records of the
 * topology. Tracking takes the events one by one all the same, and what one of them breaks is its
 * own.
 */
final class EventGroups {
  /** With the longest trace an event has some 8 KiB. */
  private static final int MAX_EVENTS = 500;

  private EventGroups() {}

  /** A group's key is its partition. */
  static StreamPartitioner<String, RequestEvents> partitioner() {
    return (topic, key, events, count) -> Optional.of(Set.of(Integer.parseInt(key)));
  }

  /** Groups events by partition. */
  static final class Together
      extends ContextualProcessor<String, BatchingOutput.Events, String, RequestEvents> {
    private final ToIntFunction<String> partitionOf;

    /**
     * @param partitionOf a request's partition of tracking
     */
    Together(ToIntFunction<String> partitionOf) {
      this.partitionOf = partitionOf;
    }

    @Override
    public void process(Record<String, BatchingOutput.Events> record) {
      Map<Integer, List<RequestEvent>> groups = new TreeMap<>();
      for (RequestEvent event : record.value().events()) {
        int partition = partitionOf.applyAsInt(event.getRequestId().toString());
        List<RequestEvent> group = groups.computeIfAbsent(partition, ignored -> new ArrayList<>());
        group.add(event);
        if (group.size() == MAX_EVENTS) {
          forward(record, partition, groups.remove(partition));
        }
      }
      groups.forEach((partition, group) -> forward(record, partition, group));
    }

    private void forward(
        Record<String, BatchingOutput.Events> record, int partition, List<RequestEvent> group) {
      context()
          .forward(record.withKey(Integer.toString(partition)).withValue(new RequestEvents(group)));
    }
  }

  /** Takes groups apart. */
  static final class Apart
      extends ContextualProcessor<String, RequestEvents, String, RequestEvent> {
    @Override
    public void process(Record<String, RequestEvents> record) {
      for (RequestEvent event : record.value().getEvents()) {
        context().forward(record.withKey(event.getRequestId().toString()).withValue(event));
      }
    }
  }
}
