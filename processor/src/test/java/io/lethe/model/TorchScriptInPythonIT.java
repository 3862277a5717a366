package io.lethe.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.dataset.SampleDataset;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What is written is what Python's PyTorch reads; skipped where there is none. */
class TorchScriptInPythonIT {
  /** Its arguments: the model, and a file of inputs that it replaces by what the model has. */
  private static final String SCRIPT =
      """
      import json, sys, torch
      model = torch.jit.load(sys.argv[1]).eval()
      given = json.load(open(sys.argv[2]))
      x = torch.tensor(given["values"], dtype=getattr(torch, given["type"])).reshape(given["shape"])
      with torch.no_grad():
          logits = model(x).double().flatten().tolist()
      parameters = {n: p.double().flatten().tolist() for n, p in model.named_parameters()}
      json.dump({"logits": logits, "parameters": parameters}, open(sys.argv[2], "w"))
      """;

  private static final SampleDataset DATA = TorchScriptFiles.data();
  private static Optional<String> python;

  @TempDir Path directory;

  @BeforeAll
  static void findPyTorch() {
    python =
        Stream.of("python3", "/usr/bin/python3")
            .filter(command -> run(Redirect.DISCARD, command, "-c", "import torch") == 0)
            .findFirst();
  }

  @ParameterizedTest
  @ValueSource(strings = {"scripted.pt", "traced.pt", "net-float64.pt", "tokens-float64.pt"})
  void pythonComputesWhatIsComputedHere(String name) throws IOException {
    // Given: a model whose weights were changed
    assumeTrue(python.isPresent(), "no python3 that has torch");
    Path file = directory.resolve("written.pt");
    Path exchanged = directory.resolve("exchanged.json");
    double[] expected;
    List<double[]> weights = new ArrayList<>();
    List<String> names = new ArrayList<>();
    try (LoadedModel model = TorchScriptFiles.load(name);
        NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      model.weights().forEach(weight -> weight.array().muli(1.5).addi(0.125));
      for (LoadedModel.Weight weight : model.weights()) {
        names.add(weight.name());
        weights.add(weight.array().toType(DataType.FLOAT64, true).toDoubleArray());
      }
      NDArray x =
          DATA.batch(scope, IntStream.range(0, DATA.size()).toArray())
              .get(0)
              .toType(model.dataType(), false);
      expected = model.logits(x).toType(DataType.FLOAT64, false).toDoubleArray();
      Map<String, Object> inputs =
          Map.of(
              "type",
              model.dataType() == DataType.FLOAT64 ? "float64" : "float32",
              "shape",
              x.getShape().getShape(),
              "values",
              x.toType(DataType.FLOAT64, false).toDoubleArray());
      new ObjectMapper().writeValue(exchanged.toFile(), inputs);

      // When
      model.write(file);
    }

    // Then
    assertThat(
            run(
                Redirect.INHERIT,
                python.orElseThrow(),
                "-c",
                SCRIPT,
                file.toString(),
                exchanged.toString()))
        .isZero();
    JsonNode read = new ObjectMapper().readTree(Files.readString(exchanged));
    assertThat(read.get("parameters").fieldNames()).toIterable().containsExactlyElementsOf(names);
    for (int t = 0; t < names.size(); t++) {
      assertThat(values(read.get("parameters").get(names.get(t)))).containsExactly(weights.get(t));
    }
    assertThat(expected).hasSize(3 * DATA.size());
    assertThat(values(read.get("logits"))).containsExactly(expected, within(1e-4));
  }

  private static double[] values(JsonNode array) {
    double[] values = new double[array.size()];
    IntStream.range(0, values.length).forEach(i -> values[i] = array.get(i).asDouble());
    return values;
  }

  /** Exit code; −1 where there is no such command. */
  private static int run(Redirect errors, String... command) {
    try {
      return new ProcessBuilder(command)
          .redirectOutput(Redirect.DISCARD)
          .redirectError(errors)
          .start()
          .waitFor();
    } catch (IOException e) {
      return -1;
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }
}
