package io.lethe.intake;

import java.util.Map;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.metrics.Sensor;
import org.apache.kafka.common.metrics.stats.CumulativeSum;
import org.apache.kafka.common.metrics.stats.Value;
import org.apache.kafka.streams.StreamsMetrics;
import org.apache.kafka.streams.processor.api.ProcessorContext;

/**
 * How far models that were registered have been brought together with earlier requests, in one
 * partition: among the metrics of Kafka Streams, as {@code kafka_lethe_model_walks_…} in {@code
 * /prometheus}. Each input of intake names the same ones.
 */
final class WalkMetrics {
  private static final String GROUP = "lethe-metrics";

  private final StreamsMetrics metrics;
  private final Map<String, String> tags;
  private final Sensor open;
  private final Sensor left;
  private final Sensor looked;

  WalkMetrics(ProcessorContext<?, ?> context) {
    metrics = context.metrics();
    tags = Map.of("task-id", context.taskId().toString());
    open = sensor("open");
    open.add(
        name("open", "Models that have not been brought together with all requests"), new Value());
    left = sensor("left");
    left.add(
        name("left", "Requests that are left for the one furthest behind, about"), new Value());
    looked = sensor("looked-total");
    looked.add(name("looked-total", "Requests that were looked at"), new CumulativeSum());
  }

  private Sensor sensor(String what) {
    return metrics.addSensor(
        "lethe-model-walks-" + what + "-" + tags.get("task-id"), Sensor.RecordingLevel.INFO);
  }

  private MetricName name(String what, String description) {
    return new MetricName("model-walks-" + what, GROUP, description, tags);
  }

  void open(int models, long requestsLeft) {
    open.record(models);
    left.record(requestsLeft);
  }

  void looked(long requests) {
    looked.record(requests);
  }

  /** The partition has moved: what was last said of it must not be read for ever. */
  void close() {
    metrics.removeSensor(open);
    metrics.removeSensor(left);
    metrics.removeSensor(looked);
  }
}
