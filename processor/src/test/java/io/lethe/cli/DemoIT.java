package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The demo as anybody plays it first, on the data that comes with the program. */
class DemoIT {
  @TempDir Path directory;

  @Test
  void theDemoForgetsWhatARetrainedModelDoesNotKnowAndKeepsTheRest() throws IOException {
    // Given
    Path json = directory.resolve("demo.json");

    // When
    int code = Main.commandLine().execute("demo", "--json", json.toString());

    // Then
    assertThat(code).isZero();
    JsonNode report = new ObjectMapper().readTree(json.toFile());
    assertThat(report.get("requests").asInt()).isEqualTo(8);
    assertThat(report.get("receipts")).hasSize(8);
    assertThat(report.get("receipts"))
        .extracting(receipt -> receipt.get("status").asText())
        .containsOnly("COMPLETED");
    assertThat(report.get("versions")).hasSize(2);
    double twoPoints = 0.02 + 1e-9;
    for (String kept : new String[] {"retain", "holdout"}) {
      assertThat(accuracy(report, "after", kept))
          .as(kept)
          .isCloseTo(accuracy(report, "before", kept), within(twoPoints));
    }
    // Of a model that was trained without them
    assertThat(accuracy(report, "after", "forget"))
        .isCloseTo(accuracy(report, "retrained", "forget"), within(0.03 + 1e-9));
    assertThat(accuracy(report, "before", "forget"))
        .isGreaterThan(accuracy(report, "retrained", "forget") + 0.1);
  }

  private static double accuracy(JsonNode report, String model, String set) {
    return report.get(model).get(set).get("accuracy").asDouble();
  }
}
