package io.lethe.bench;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.types.Shape;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.model.TorchScriptFiles;
import io.lethe.terminal.Terminal;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
        new FisherBench(
                new FisherBench.Settings(List.of("mlp"), Optional.empty(), 0.05, 3, 1, 60),
                terminal)
            .run();

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
    assertThat(json.at("/mlp/memory/largestChange").asDouble()).isBetween(0.0, 1.0);
    assertThat(json.at("/mlp/ratioSpread/0").asDouble())
        .isLessThanOrEqualTo(json.at("/mlp/ratioSpread/1").asDouble());
    assertThat(json.at("/mlp/ratio").asDouble())
        .isEqualTo(
            json.at("/mlp/samplesPerSecond").asDouble()
                / json.at("/mlp/forwardBackwardPerSecond").asDouble());
  }

  @ParameterizedTest
  @CsvSource({"scripted.pt, training", "traced.pt, eval"})
  void fisherOfAModelFromPyTorch(String file, String mode) {
    FisherBench.OwnModel own =
        new FisherBench.OwnModel(file, new Shape(1, 8, 8), () -> TorchScriptFiles.load(file));

    ObjectNode json =
        new FisherBench(
                new FisherBench.Settings(List.of(), Optional.of(own), 0.02, 1, 1, 0), terminal)
            .run();

    assertPositive(
        json,
        "/" + file + "/samplesPerSecond",
        "/" + file + "/forwardBackwardPerSecond",
        "/" + file + "/oneSampleLoopPerSecond");
    assertThat(json.at("/" + file + "/forwardBackwardMode").asText()).isEqualTo(mode);
  }

  @Test
  void erase() throws IOException {
    EraseBench.Settings settings = erasure(List.of("clean", "changed", "class"));
    List<ObjectNode> written = new ArrayList<>();

    ObjectNode json =
        new EraseBench(settings, terminal).run(figures -> written.add(figures.deepCopy()));

    for (String row : List.of("before", "retrained", "deepclean", "random-mask", "heldout-match")) {
      assertPositive(json, "/changed/summary/" + row + "/tow/mean");
      assertThat(json.at("/changed/seeds/0/rows/" + row + "/changedMembershipAuc").asDouble())
          .isBetween(0.0, 1.0);
    }
    assertThat(json.at("/clean/summary/retrained/tow/mean").asDouble()).isEqualTo(1);
    assertThat(json.at("/class/seeds/0/rows").has("heldout-match")).isFalse();
    // Each seed is handed over when it is done, and what was trained is not trained again
    assertThat(written).hasSize(3);
    long files = filesIn(directory);
    ObjectNode again = new EraseBench(settings, terminal).run(figures -> {});
    assertThat(filesIn(directory)).isEqualTo(files);
    assertThat(again.at("/clean/seeds/0/rows/heldout-match/tow"))
        .isEqualTo(json.at("/clean/seeds/0/rows/heldout-match/tow"));
  }

  @Test
  void sequence() throws IOException {
    EraseBench.Settings settings = erasure(List.of("clean"));

    ObjectNode json =
        new SequenceBench(
                new SequenceBench.Settings(
                    settings,
                    3,
                    1,
                    List.of(SequenceBench.Mode.ANCHORED, SequenceBench.Mode.CHAINED)),
                terminal)
            .run(f -> {});

    for (String mode : List.of("anchored", "chained")) {
      assertThat(json.at("/clean/seeds/0/" + mode)).hasSize(3);
      assertThat(json.at("/clean/seeds/0/" + mode + "/1").has("retrainedHoldoutAccuracy"))
          .isFalse();
      assertPositive(json, "/clean/seeds/0/" + mode + "/2/retrainedHoldoutAccuracy");
      assertThat(json.at("/clean/seeds/0/" + mode + "/2/forgetGaps")).hasSize(3);
    }
  }

  @Test
  void asShippedTheModelIsTrainedAnewOnceMoreThanAFifthIsErased() throws IOException {
    // Given 400 samples of 40 people, of whom 2 go at a time: 5 % with each batch
    SequenceBench.Settings settings =
        new SequenceBench.Settings(
            erasure(List.of("clean")), 6, 1, List.of(SequenceBench.Mode.SHIPPED));

    ObjectNode json = new SequenceBench(settings, terminal).run(f -> {});

    List<Boolean> trainedAnew = new ArrayList<>();
    JsonNode releases = json.at("/clean/seeds/0/shipped");
    releases.forEach(release -> trainedAnew.add(release.path("trainedAnew").asBoolean()));
    assertThat(trainedAnew).containsExactly(false, false, false, false, true, false);
    assertThat(releases.get(5).path("erasedSamples").asInt()).isEqualTo(120);
    assertThat(releases.get(5).path("forgetGaps")).hasSize(6);
  }

  @Test
  void cost() throws IOException {
    ObjectNode json =
        new EraseBench(erasure(List.of("clean", "cost")), terminal).run(figures -> {});

    assertPositive(
        json,
        "/cost/batchSeconds",
        "/cost/ratio",
        "/cost/retraining/clean/overBatch",
        "/cost/retraining/changed/epochs",
        "/cost/jobs/clean/controlSeconds",
        "/cost/jobs/clean/retrainedTrainAccuracy",
        "/cost/jobs/clean/retrainingOverJob",
        "/cost/fisherOfAllOverBatch");
    assertThat(json.at("/cost/jobs/clean/jobSeconds").asDouble())
        .isGreaterThan(json.at("/cost/jobs/clean/controlSeconds").asDouble());
    assertThat(json.at("/cost/jobs").properties()).hasSize(1);
  }

  private EraseBench.Settings erasure(List<String> cases) {
    return new EraseBench.Settings(
        cases,
        "synthetic:digits?samples=400&subjects=40&side=8&noise=0",
        Optional.empty(),
        0,
        2,
        2,
        List.of("deepclean", "heldout-match"),
        Map.of("heldout-match", "{\"reservoirSamples\": 50, \"steps\": 3}"),
        1,
        1,
        Optional.empty(),
        directory);
  }

  private static long filesIn(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.count();
    }
  }

  @Test
  void stream() throws IOException {
    StreamBench.Settings settings =
        new StreamBench.Settings(
            200,
            40,
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
        new PendingBench(new PendingBench.Settings(41, 4, 2, 2, 4, 1, directory), terminal).run();

    assertPositive(
        json, "/steps/0/eventsPerSecond", "/steps/1/eventsPerSecond", "/steps/1/peakRssMiB");
    assertThat(json.at("/pending").asInt()).isEqualTo(44);
    assertThat(json.at("/warmUp").asInt()).isEqualTo(4);
    assertThat(json.at("/lastToFirst").asDouble())
        .isEqualTo(
            json.at("/steps/1/eventsPerSecond").asDouble()
                / json.at("/steps/0/eventsPerSecond").asDouble());
    assertNothingIsLeft();
  }

  @Test
  void restore() throws IOException {
    ObjectNode json =
        new RestoreBench(new RestoreBench.Settings(7, 3, 1, Map.of(), directory), terminal).run();

    assertPositive(json, "/mibPerSecond", "/diskReadMibPerSecond", "/ratio");
    assertThat(json.at("/mib").asInt()).isEqualTo(6);
    assertNothingIsLeft();
  }
}
