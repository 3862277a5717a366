package io.lethe.topology;

import io.micronaut.context.annotation.ConfigurationProperties;
import io.micronaut.core.annotation.Nullable;
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
 * @param profile what the streams are tuned for: {@code throughput} (default) or {@code latency},
 *     see {@link StreamProfile}
 * @param commitInterval how often a transaction commits, the larger part of an event's latency;
 *     positive, default that of the profile: 100 ms or 1 ms
 * @param threads stream threads; at least 1, default 1
 * @param partitions partitions of topics that are created; at least 1, default 4
 * @param standbyReplicas copies of each store that other instances keep up to date, so that they
 *     take over without a restore; not negative, default 0. Needs as many further instances.
 * @param storeMemoryMib memory of all stores of this process together, in MiB: what is written and
 *     not yet on disk, and the cache of what is read; at least 32, default 256
 * @param replicationFactor of topics that are created; -1: the broker's default
 * @param advertisedUrl where other instances and workers reach this instance's API
 */
@ConfigurationProperties("lethe.stream")
public record StreamSettings(
    String applicationId,
    String instanceId,
    Path stateDir,
    @Bindable(defaultValue = "throughput") StreamProfile profile,
    @Nullable Duration commitInterval,
    @Bindable(defaultValue = "1") int threads,
    @Bindable(defaultValue = "4") int partitions,
    @Bindable(defaultValue = "0") int standbyReplicas,
    @Bindable(defaultValue = "256") int storeMemoryMib,
    @Bindable(defaultValue = "-1") short replicationFactor,
    URI advertisedUrl) {
  private static final int LEAST_STORE_MEMORY_MIB = 32;

  public StreamSettings {
    requireText("application-id", applicationId);
    requireText("instance-id", instanceId);
    if (commitInterval == null) {
      commitInterval = profile.commitInterval();
    }
    if (commitInterval.isNegative() || commitInterval.isZero()) {
      throw new IllegalArgumentException(
          "lethe.stream.commit-interval must be positive: " + commitInterval);
    }
    requireAtLeastOne("threads", threads);
    requireAtLeastOne("partitions", partitions);
    if (standbyReplicas < 0) {
      throw new IllegalArgumentException(
          "lethe.stream.standby-replicas must not be negative: " + standbyReplicas);
    }
    if (storeMemoryMib < LEAST_STORE_MEMORY_MIB) {
      throw new IllegalArgumentException(
          "lethe.stream.store-memory-mib must be at least %d: %d"
              .formatted(LEAST_STORE_MEMORY_MIB, storeMemoryMib));
    }
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
