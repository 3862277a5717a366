package io.lethe.topology;

import io.lethe.batching.BatchingSettings;
import io.lethe.intake.IntakeSettings;
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
 * @param intake rules by subject
 * @param batching rules by model
 */
public record StreamSettings(
    String applicationId,
    String instanceId,
    Path stateDir,
    Duration commitInterval,
    int threads,
    int partitions,
    short replicationFactor,
    IntakeSettings intake,
    BatchingSettings batching) {

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
