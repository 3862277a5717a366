package io.lethe.streams;

import io.lethe.events.Trace;
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
 * Knows the trace of the record that is processed, and writes the headers of the trace that a
 * record is forwarded in: that of what it comes from, which need not be what is processed. A
 * request may have waited in a store for long.
 */
public final class TracedContext<K, V> implements ProcessorContext<K, V> {
  private final ProcessorContext<K, V> context;
  private TraceContext trace = TraceContext.NONE;

  TracedContext(ProcessorContext<K, V> context) {
    this.context = context;
  }

  /** Sets the trace of the record that is processed from now on. */
  void process(TraceContext current) {
    trace = current;
  }

  /** The trace of the record that is processed; empty where it has none, and for the clock. */
  public Optional<Trace> trace() {
    return trace.toRecord();
  }

  /** Forwards a record in the given trace. */
  public <K1 extends K, V1 extends V> void forward(Record<K1, V1> record, Optional<Trace> of) {
    TraceContext.of(of).addTo(record.headers());
    context.forward(record);
  }

  /** Forwards a record in the trace of the record that is processed. */
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
