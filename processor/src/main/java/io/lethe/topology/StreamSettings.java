package io.lethe.topology;

import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.bind.annotation.Bindable;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;

/**
 * What the streams application is configured by, besides Kafka's own settings.
 *
 * @param applicationId name of the application: consumer group and prefix of internal topics;
 *     default {@code lethe-stream}
 * @param instanceId stable name of this instance for static membership; unique among instances
 * @param stateDir where the stores lie
 * @param commitInterval how often a transaction commits, the larger part of an event's latency;
 *     positive, default 100 ms
 * @param threads stream threads; at least 1, default 1
 * @param partitions partitions of topics that are created; at least 1, default 4
 * @param replicationFactor of topics that are created; -1: the broker's default
 * @param advertisedUrl where other instances and workers reach this instance's API
 */
@ConfigurationProperties("lethe.stream")
public record StreamSettings(
    String applicationId,
    String instanceId,
    Path stateDir,
    @Bindable(defaultValue = "100ms") Duration commitInterval,
    @Bindable(defaultValue = "1") int threads,
    @Bindable(defaultValue = "4") int partitions,
    @Bindable(defaultValue = "-1") short replicationFactor,
    URI advertisedUrl) {

  public StreamSettings {
    requireText("application-id", applicationId);
    requireText("instance-id", instanceId);
    if (commitInterval.isNegative() || commitInterval.isZero()) {
      throw new IllegalArgumentException(
          "lethe.stream.commit-interval must be positive: " + commitInterval);
    }
    requireAtLeastOne("threads", threads);
    requireAtLeastOne("partitions", partitions);
  }

  private static void requireText(String name, String value) {
    if (value == null || value.isBlank()) {
      throw new IllegalArgumentException("lethe.stream." + name + " must not be empty");
    }
  }

  private static void requireAtLeastOne(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException("lethe.stream." + name + " must be at least 1: " + value);
    }
  }
}
