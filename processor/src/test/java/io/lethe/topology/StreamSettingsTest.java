package io.lethe.topology;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micronaut.context.ApplicationContext;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class StreamSettingsTest {
  @Test
  void theProfileDecidesWhatIsNotSet() {
    // Given / When
    StreamSettings throughput = read(Map.of());
    StreamSettings latency = read(Map.of("lethe.stream.profile", "latency"));
    StreamSettings own =
        read(Map.of("lethe.stream.profile", "latency", "lethe.stream.commit-interval", "40ms"));

    // Then
    assertThat(throughput.profile()).isEqualTo(StreamProfile.THROUGHPUT);
    assertThat(throughput.commitInterval()).isEqualTo(StreamProfile.THROUGHPUT.commitInterval());
    assertThat(latency.commitInterval()).isEqualTo(StreamProfile.LATENCY.commitInterval());
    assertThat(own.commitInterval()).isEqualTo(Duration.ofMillis(40));
  }

  @Test
  void theTuningIsWhatTheSettingsSay() {
    // Given
    StreamSettings settings =
        read(
            Map.of(
                "lethe.stream.profile", "latency",
                "lethe.stream.threads", "3",
                "lethe.stream.standby-replicas", "1",
                "lethe.stream.partitions", "7",
                "lethe.stream.store-memory-mib", "64"));

    // When
    Map<String, Object> tuning = StreamTuning.of(settings);

    // Then
    assertThat(tuning)
        .containsEntry("num.stream.threads", 3)
        .containsEntry("num.standby.replicas", 1)
        .containsEntry("commit.interval.ms", 1L)
        .containsEntry(StoreMemory.BYTES, 64L << 20)
        .containsEntry(StoreMemory.PARTITIONS, 7);
    // A thread that waits for records does not commit meanwhile.
    assertThat((Long) tuning.get("poll.ms")).isLessThanOrEqualTo(1L);
  }

  @ParameterizedTest
  @CsvSource({
    "commit-interval, 0ms",
    "threads, 0",
    "partitions, 0",
    "standby-replicas, -1",
    "store-memory-mib, 31"
  })
  void whatCannotBeIsRefusedByName(String name, String value) {
    assertThatThrownBy(() -> read(Map.of("lethe.stream." + name, value)))
        .hasStackTraceContaining("lethe.stream." + name + " must");
  }

  @ParameterizedTest
  @CsvSource({"256, 4", "256, 1", "1024, 12", "64, 2"})
  void theWriteBuffersOfAllStoresStayWellBelowTheirBound(int mib, int partitions) {
    long bytes = (long) mib << 20;
    int busyStores = 12; // lineage, requests, tasks and what else grows with the requests

    long buffer = StoreMemory.writeBufferBytes(bytes, partitions);

    assertThat(buffer * partitions * busyStores).isLessThanOrEqualTo(bytes / 2);
    assertThat(buffer).isBetween(1L << 20, 16L << 20);
  }

  private static StreamSettings read(Map<String, Object> given) {
    Map<String, Object> properties = new HashMap<>(given);
    properties.put("micronaut.health.monitor.enabled", "false");
    properties.putIfAbsent("lethe.stream.application-id", "a");
    properties.putIfAbsent("lethe.stream.instance-id", "i");
    properties.putIfAbsent("lethe.stream.state-dir", "state");
    properties.putIfAbsent("lethe.stream.advertised-url", "http://127.0.0.1:1");
    try (ApplicationContext context = ApplicationContext.run(properties)) {
      return context.getBean(StreamSettings.class);
    }
  }
}
