package io.lethe.streams;

import io.lethe.topics.TraceContext;
import java.io.File;
import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.streams.StreamsMetrics;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.Punctuator;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * Gives each record that is forwarded the trace context of the record that is processed. Here and
 * not in the rules, which make new records and need not know of headers.
 */
final class TracedContext<K, V> implements ProcessorContext<K, V> {
  private final ProcessorContext<K, V> context;
  private TraceContext trace = TraceContext.NONE;

  TracedContext(ProcessorContext<K, V> context) {
    this.context = context;
  }

  /** Sets what is forwarded from now on. */
  void trace(TraceContext current) {
    trace = current;
  }

  @Override
  public <K1 extends K, V1 extends V> void forward(Record<K1, V1> record) {
    trace.addTo(record.headers());
    context.forward(record);
  }

  @Override
  public <K1 extends K, V1 extends V> void forward(Record<K1, V1> record, String childName) {
    trace.addTo(record.headers());
    context.forward(record, childName);
  }

  @Override
  public String applicationId() {
    return context.applicationId();
  }

  @Override
  public TaskId taskId() {
    return context.taskId();
  }

  @Override
  public Optional<RecordMetadata> recordMetadata() {
    return context.recordMetadata();
  }

  @Override
  public Serde<?> keySerde() {
    return context.keySerde();
  }

  @Override
  public Serde<?> valueSerde() {
    return context.valueSerde();
  }

  @Override
  public File stateDir() {
    return context.stateDir();
  }

  @Override
  public StreamsMetrics metrics() {
    return context.metrics();
  }

  @Override
  public <S extends StateStore> S getStateStore(String name) {
    return context.getStateStore(name);
  }

  @Override
  public Cancellable schedule(Duration interval, PunctuationType type, Punctuator callback) {
    return context.schedule(interval, type, callback);
  }

  @Override
  public Cancellable schedule(
      Instant startTime, Duration interval, PunctuationType type, Punctuator callback) {
    return context.schedule(startTime, interval, type, callback);
  }

  @Override
  public void commit() {
    context.commit();
  }

  @Override
  public Map<String, Object> appConfigs() {
    return context.appConfigs();
  }

  @Override
  public Map<String, Object> appConfigsWithPrefix(String prefix) {
    return context.appConfigsWithPrefix(prefix);
  }

  @Override
  public long currentSystemTimeMs() {
    return context.currentSystemTimeMs();
  }

  @Override
  public long currentStreamTimeMs() {
    return context.currentStreamTimeMs();
  }
}
