package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.artifact.Sha256;
import io.lethe.events.ModelFormat;
import io.lethe.fisher.SafetensorsFile;
import io.lethe.model.LoadedModel;
import io.lethe.model.TorchScriptFiles;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** The commands that need no Kafka, on TorchScript files. */
class TorchScriptCommandsIT {
  private static final String DATA =
      "synthetic:digits?samples=120&subjects=12&side=8&classes=3&seed=3";

  @TempDir Path directory;
  private Path ids;

  /** Exit code and what was said on stderr. */
  private record Answer(int code, String said) {}

  private static Answer run(Object... args) {
    StringWriter said = new StringWriter();
    CommandLine command = Main.commandLine().setErr(new PrintWriter(said, true));
    int code = command.execute(Stream.of(args).map(Object::toString).toArray(String[]::new));
    return new Answer(code, said.toString());
  }

  private static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @BeforeEach
  void ids() throws IOException {
    ids = Files.writeString(directory.resolve("ids.txt"), "train-00003\ntrain-00007\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"scripted.pt", "traced.pt"})
  void fisherHasATensorForEachParameter(String name) throws IOException {
    Path model = TorchScriptFiles.file(name);
    Path out = directory.resolve("f.safetensors");

    Answer answer =
        run("fisher", "--model", model, "--dataset", DATA, "--device", "cpu", "--out", out);

    assertThat(answer).isEqualTo(new Answer(0, ""));
    try (LoadedModel loaded = TorchScriptFiles.load(name);
        SafetensorsFile file = SafetensorsFile.open(out)) {
      assertThat(file.metadata())
          .containsEntry("count", "120")
          .containsEntry("model", Sha256.of(model));
      assertThat(file.entries())
          .extracting(SafetensorsFile.Entry::name)
          .containsExactlyElementsOf(
              loaded.weights().stream().map(LoadedModel.Weight::name).toList());
    }
  }

  @Test
  void unlearnWritesAModelThatEvaluateMeasuresTheSame() throws IOException {
    // Given
    Path out = directory.resolve("out");
    Path measured = directory.resolve("e.json");

    // When
    Answer unlearned =
        run(
            "unlearn",
            "--model",
            TorchScriptFiles.file("scripted.pt"),
            "--dataset",
            DATA,
            "--forget",
            ids,
            "--out",
            out);
    Answer evaluated =
        run(
            "evaluate",
            "--model",
            out.resolve("model.pt"),
            "--dataset",
            DATA,
            "--forget",
            ids,
            "--json",
            measured);

    // Then
    assertThat(unlearned.code()).isLessThan(2);
    assertThat(names(out)).containsExactly("model.pt", "report.json");
    assertThat(evaluated.code()).isZero();
    assertThat(json(measured).get("retain"))
        .isEqualTo(json(out.resolve("report.json")).at("/after/retain"));
  }

  @Test
  void aRecipeThatStartsFromAFileTrainsAndCrossFits() throws IOException {
    // Given
    Files.copy(TorchScriptFiles.file("saved-in-training.pt"), directory.resolve("untrained.pt"));
    Path recipe =
        Files.writeString(
            directory.resolve("r.json"),
            "{\"init\": \"untrained.pt\", \"epochs\": 2, \"batch\": 16}");
    Path trained = directory.resolve("trained");
    Path again = directory.resolve("again");
    Path anchor = directory.resolve("anchor");

    // When
    run("train", "--dataset", DATA, "--recipe", recipe, "--out", trained);
    run("train", "--dataset", DATA, "--recipe", trained.resolve("recipe.json"), "--out", again);
    Answer anchored =
        run(
            "anchor",
            "--model",
            trained.resolve("model.pt"),
            "--dataset",
            DATA,
            "--folds",
            "2",
            "--out",
            anchor);
    Answer unlearned =
        run(
            "unlearn",
            "--model",
            trained.resolve("model.pt"),
            "--dataset",
            DATA,
            "--forget",
            ids,
            "--fisher",
            anchor.resolve("fisher.safetensors"),
            "--heldout",
            anchor.resolve("heldout.npz"),
            "--method",
            "heldout-match",
            "--out",
            directory.resolve("out"));

    // Then
    assertThat(names(trained)).containsExactly("model.pt", "recipe.json");
    assertThat(again.resolve("model.pt")).hasSameBinaryContentAs(trained.resolve("model.pt"));
    assertThat(anchored).isEqualTo(new Answer(0, ""));
    assertThat(names(anchor)).containsExactly("fisher.safetensors", "heldout.npz");
    assertThat(unlearned.code()).isLessThan(2);
    try (LoadedModel before =
            LoadedModel.load(directory.resolve("untrained.pt"), ModelFormat.TORCHSCRIPT);
        LoadedModel after =
            LoadedModel.load(trained.resolve("model.pt"), ModelFormat.TORCHSCRIPT)) {
      for (int t = 0; t < before.weights().size(); t++) {
        assertThat(after.weights().get(t).array()).isNotEqualTo(before.weights().get(t).array());
      }
    }
  }

  @Test
  void aTracedFileIsNoStartOfTraining() throws IOException {
    Path recipe =
        Files.writeString(
            directory.resolve("r.json"),
            "{\"init\": \"" + TorchScriptFiles.file("traced.pt") + "\"}");

    Answer answer =
        run("train", "--dataset", DATA, "--recipe", recipe, "--out", directory.resolve("out"));

    assertOneLine(answer, "traced.pt: traced", "torch.jit.script");
    assertThat(names(directory.resolve("out"))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource({
    "traced-in-training.pt, traced in training mode",
    "frozen.pt, has no parameters",
    "weights.pt, without their network",
    "always-drops.pt, its outputs in eval mode change",
    "nan.pt, not a finite number",
    "unused.pt, spare.weight received no gradient",
  })
  void whatCannotBeUsedIsOneLine(String name, String reason) throws IOException {
    Path out = directory.resolve("out");

    Answer answer =
        run(
            "fisher",
            "--model",
            TorchScriptFiles.file(name),
            "--dataset",
            DATA,
            "--out",
            out.resolve("f.safetensors"));

    assertOneLine(answer, reason);
    assertThat(names(out)).isEmpty();
  }

  /** Fisher sums of this file are refused for another reason: they were not begun. */
  @ParameterizedTest
  @CsvSource({
    "retrain, running statistics can be set",
    "pgu, layers follow each other and can be reached",
    "residual-lora, can be reached",
    "influence, ends in a linear layer whose inputs can be reached",
  })
  void aMethodThatTorchScriptCannotServeIsRefusedBeforeAnythingIsComputed(
      String method, String reason) throws IOException {
    Path recipe =
        Files.writeString(
            directory.resolve("r.json"),
            "{\"init\": \"" + TorchScriptFiles.file("saved-in-training.pt") + "\"}");
    Path out = directory.resolve("out");

    Answer answer =
        run(
            "unlearn",
            "--model",
            TorchScriptFiles.file("unused.pt"),
            "--dataset",
            DATA,
            "--forget",
            ids,
            "--recipe",
            recipe,
            "--method",
            method,
            "--out",
            out);

    assertOneLine(answer, method + " needs", reason);
    assertThat(names(out)).isEmpty();
  }

  @Test
  void aDeviceThatIsNotThereIsOneLine() {
    Path out = directory.resolve("f.safetensors");
    Path model = TorchScriptFiles.file("scripted.pt");

    assertOneLine(
        run("fisher", "--model", model, "--dataset", DATA, "--device", "gpu:999", "--out", out),
        "gpu:999");
    assertOneLine(
        run("fisher", "--model", model, "--dataset", DATA, "--device", "tpu", "--out", out), "tpu");
    assertThat(out).doesNotExist();
  }

  private static void assertOneLine(Answer answer, String... parts) {
    assertThat(answer.code()).isEqualTo(2);
    assertThat(answer.said().strip()).doesNotContain("\n").startsWith("lethe: ").contains(parts);
  }
}
