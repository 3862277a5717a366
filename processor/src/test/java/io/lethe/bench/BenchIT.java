package io.lethe.bench;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.terminal.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The benches run to their end on small sizes and report what they promise; no figure is judged.
 */
class BenchIT {
  private final Terminal terminal =
      new Terminal(
          new PrintStream(new ByteArrayOutputStream(), true, StandardCharsets.UTF_8), false);

  @TempDir Path directory;

  private static void assertPositive(ObjectNode json, String... fields) {
    for (String field : fields) {
      assertThat(json.at(field).asDouble()).as(field).isPositive();
    }
  }

  private void assertNothingIsLeft() throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      assertThat(files).isEmpty();
    }
  }

  @Test
  void fisher() {
    ObjectNode json =
        new FisherBench(new FisherBench.Settings(List.of("mlp"), 0.05, 3, 1, 60), terminal).run();

    assertPositive(
        json,
        "/mlp/samplesPerSecond",
        "/mlp/forwardBackwardPerSecond",
        "/mlp/oneSampleLoopPerSecond",
        "/mlp/peakRssMiB",
        "/mlp/memory/residentMiBAtMinibatch50",
        "/mlp/memory/residentMiBAtMinibatch60",
        "/mlp/codecs/FLOAT32/encodeMibPerSecond",
        "/mlp/codecs/BFLOAT16_ZSTD/decodeMibPerSecond");
    assertThat(json.at("/mlp/codecs/FLOAT32/share").asDouble()).isEqualTo(1);
    assertThat(json.at("/mlp/codecs/BFLOAT16_ZSTD/largestRelativeError").asDouble())
        .isBetween(1e-4, 1 / 256.0);
    assertThat(json.at("/mlp/ratio").asDouble())
        .isEqualTo(
            json.at("/mlp/samplesPerSecond").asDouble()
                / json.at("/mlp/forwardBackwardPerSecond").asDouble());
  }

  @Test
  void stream() throws IOException {
    StreamBench.Settings settings =
        new StreamBench.Settings(
            200,
            2,
            50,
            1,
            Duration.ofMillis(50),
            Duration.ofMillis(10),
            3,
            true,
            Map.of(),
            directory);

    ObjectNode json = new StreamBench(settings, terminal).run();

    assertPositive(
        json,
        "/eventsPerSecond",
        "/p50Millis",
        "/withJob/p50Millis",
        "/passThrough/eventsPerSecond",
        "/passThrough/p99Millis");
    assertThat(json.at("/p50Millis").asDouble())
        .isLessThanOrEqualTo(json.at("/p99Millis").asDouble());
    assertNothingIsLeft();
  }

  @Test
  void pending() throws IOException {
    ObjectNode json =
        new PendingBench(new PendingBench.Settings(41, 3, 2, 1, directory), terminal).run();

    assertPositive(
        json, "/steps/0/eventsPerSecond", "/steps/1/eventsPerSecond", "/steps/1/peakRssMiB");
    assertThat(json.at("/pending").asInt()).isEqualTo(40);
    assertThat(json.at("/lastToFirst").asDouble())
        .isEqualTo(
            json.at("/steps/1/eventsPerSecond").asDouble()
                / json.at("/steps/0/eventsPerSecond").asDouble());
    assertNothingIsLeft();
  }

  @Test
  void restore() throws IOException {
    ObjectNode json = new RestoreBench(new RestoreBench.Settings(7, 3, directory), terminal).run();

    assertPositive(json, "/mibPerSecond", "/diskReadMibPerSecond", "/ratio");
    assertThat(json.at("/mib").asInt()).isEqualTo(6);
    assertNothingIsLeft();
  }
}
