package io.lethe.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lethe.artifact.ArtifactStores;
import io.lethe.artifact.Sha256;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelFormat;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.SafetensorsFile;
import io.lethe.model.ComputeThreads;
import io.lethe.model.LoadedModel;
import io.lethe.offline.FisherFile;
import io.lethe.unlearning.Confidence;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.HeldOutFile;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.KeptFolds;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.ShadowScores;
import io.lethe.unlearning.Trainer;
import java.io.IOException;
import java.io.OutputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** The commands that need no Kafka, on a small generated dataset. */
class OfflineCommandsIT {
  private static final String DATASET = "synthetic:digits?samples=400&subjects=20&side=12&seed=3";
  private static final String HOLDOUT = DATASET + "#test";

  @TempDir static Path shared;
  private static Path model;

  @TempDir Path directory;

  /** Exit code and what was said on stderr. */
  private record Answer(int code, String said) {}

  private static Answer run(Object... args) {
    StringWriter said = new StringWriter();
    CommandLine command = Main.commandLine().setErr(new PrintWriter(said, true));
    int code = command.execute(Stream.of(args).map(Object::toString).toArray(String[]::new));
    return new Answer(code, said.toString());
  }

  @BeforeAll
  static void train() {
    Answer trained =
        run("train", "--dataset", DATASET, "--recipe", "mlp", "--epochs", "3", "--out", shared);
    assertThat(trained).isEqualTo(new Answer(0, ""));
    model = shared.resolve("model.params");
  }

  private Path ids(int from, int to) throws IOException {
    return Files.writeString(
        directory.resolve("ids.txt"),
        IntStream.range(from, to)
            .mapToObj("train-%05d\n"::formatted)
            .collect(Collectors.joining()));
  }

  private static JsonNode json(Path file) throws IOException {
    return new ObjectMapper().readTree(file.toFile());
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  private static void assertOneLine(Answer answer, String... parts) {
    assertThat(answer.code()).isEqualTo(2);
    assertThat(answer.said().strip()).doesNotContain("\n").startsWith("lethe: ").contains(parts);
  }

  @Test
  void aWrittenRecipeTrainsTheSameModelAgain() throws IOException {
    Answer again =
        run(
            "train",
            "--dataset",
            DATASET,
            "--recipe",
            shared.resolve("recipe.json"),
            "--out",
            directory);

    assertThat(again.code()).isZero();
    assertThat(names(directory)).containsExactly("model.params", "recipe.json");
    assertThat(directory.resolve("model.params")).hasSameBinaryContentAs(model);
  }

  @Test
  void aRecipeFileNamesOnlyWhatDiffers() throws IOException {
    Path recipe =
        Files.writeString(
            directory.resolve("r.json"),
            "{\"init\": {\"architecture\": \"mlp\", \"widths\": [8]}, \"epochs\": 1}");

    Answer trained =
        run("train", "--dataset", DATASET, "--recipe", recipe, "--out", directory.resolve("out"));

    assertThat(trained.code()).isZero();
    JsonNode written = json(directory.resolve("out").resolve("recipe.json"));
    assertThat(written.at("/init/widths").toString()).isEqualTo("[8]");
    assertThat(written.at("/init/input").toString()).isEqualTo("[1,12,12]");
    assertThat(written.get("epochs").asInt()).isEqualTo(1);
    assertThat(written.get("schedule").asText()).isEqualTo("one-cycle");
  }

  @Test
  void aRecipeWithAnUnknownFieldOrOptimizerIsRefused() throws IOException {
    Path recipe = directory.resolve("r.json");

    Files.writeString(recipe, "{\"init\": {\"architecture\": \"mlp\"}, \"epoch\": 1}");
    assertOneLine(
        run("train", "--dataset", DATASET, "--recipe", recipe, "--out", directory.resolve("out")),
        "r.json",
        "epoch");
    Files.writeString(recipe, "{\"init\": {\"architecture\": \"mlp\"}, \"optimizer\": \"lion\"}");
    assertOneLine(
        run("train", "--dataset", DATASET, "--recipe", recipe, "--out", directory.resolve("out")),
        "r.json",
        "lion");
    assertThat(directory.resolve("out")).doesNotExist();
  }

  @Test
  void fisherWritesWhatTheEngineComputes() throws IOException {
    // Given
    Path out = directory.resolve("f.safetensors");

    // When
    Answer answer =
        run(
            "fisher",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--samples",
            ids(5, 45),
            "--out",
            out);

    // Then
    assertThat(answer.code()).isZero();
    assertThat(names(directory)).containsExactly("f.safetensors", "ids.txt");
    SampleDataset dataset = Datasets.open(DATASET);
    try (LoadedModel loaded = LoadedModel.load(model, ModelFormat.DJL);
        SafetensorsFile file = SafetensorsFile.open(out)) {
      FisherDiagonal expected =
          new FisherComputer(loaded).sum(dataset, IntStream.range(5, 45).toArray(), Progress.NONE);
      assertThat(file.metadata())
          .containsEntry("count", "40")
          .containsEntry("reduction", "sum")
          .containsEntry("model", Sha256.of(model))
          .containsEntry("dataset", dataset.digest());
      assertThat(file.entries().stream().map(SafetensorsFile.Entry::name).toList())
          .isEqualTo(expected.tensors().stream().map(FisherDiagonal.Tensor::name).toList());
      for (FisherDiagonal.Tensor tensor : expected.tensors()) {
        assertThat(file.floats(tensor.name())).isEqualTo(tensor.values());
      }
    }
  }

  @Test
  void anUnknownSampleIdIsSaidByItsLineAndNotByItself() throws IOException {
    Path ids = Files.writeString(directory.resolve("ids.txt"), "train-00000\n\nMary Smith\n");

    Answer answer =
        run(
            "fisher",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--samples",
            ids,
            "--out",
            directory.resolve("f.safetensors"));

    assertOneLine(answer, ids.toString(), "line 3", "train-00000");
    assertThat(answer.said()).doesNotContain("Mary");
    assertThat(names(directory)).containsExactly("ids.txt");
  }

  @Test
  void unlearnReportsWhatItDid() throws IOException {
    // Given
    Path out = directory.resolve("out");
    Path policy =
        Files.writeString(
            directory.resolve("policy.json"),
            "{\"gate\": {\"maxRetainDrop\": 1.0, \"maxHoldoutDrop\": 1.0}}");

    // When
    Answer answer =
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--holdout",
            HOLDOUT,
            "--forget",
            ids(0, 20),
            "--policy",
            policy,
            "--seed",
            "5",
            "--out",
            out);

    // Then
    assertThat(answer.code()).isZero();
    assertThat(names(out)).containsExactly("model.params", "report.json");
    JsonNode report = json(out.resolve("report.json"));
    assertThat(report.get("method").asText()).isEqualTo("deepclean");
    assertThat(report.get("leftOut").toString()).isEqualTo("[\"heldout-match\"]");
    assertThat(report.get("selectedFraction").asDouble()).isBetween(0.0, 0.2);
    for (String stage : List.of("fisher", "method", "repair", "evaluate")) {
      assertThat(report.get("seconds").get(stage).isNumber()).isTrue();
    }
    for (String measured : List.of("before", "after", "control")) {
      assertThat(report.get(measured).at("/forget/samples").asInt()).isEqualTo(20);
      assertThat(report.get(measured).get("membershipAuc").asDouble()).isBetween(0.0, 1.0);
    }
    assertThat(report.get("controlMethod").asText()).isEqualTo("random-mask");
    assertThat(report.at("/gate/verdict").asText()).isEqualTo("RELEASE");
    assertThat(report.at("/gate/checks")).hasSize(3);
    assertThat(report.at("/gate/checks/2/name").asText()).isEqualTo("forget_gap");
    assertThat(report.at("/gate/checks/2/measured").asBoolean()).isFalse(); // no targets
    assertThat(report.get("trueHoldout").asBoolean()).isTrue();
    assertThat(report.get("artifactSha256").asText())
        .isEqualTo(Sha256.of(out.resolve("model.params")));
  }

  @Test
  void evaluateMeasuresOnTheSamplesOfUnlearnAndComparesWithAReference() throws IOException {
    // Given
    Path out = directory.resolve("out");
    Path ids = ids(0, 20);
    run("unlearn", "--model", model, "--dataset", DATASET, "--forget", ids, "--out", out);
    Path json = directory.resolve("e.json");

    // When
    Answer answer =
        run(
            "evaluate",
            "--model",
            out.resolve("model.params"),
            "--dataset",
            DATASET,
            "--forget",
            ids,
            "--reference",
            model,
            "--json",
            json);

    // Then
    assertThat(answer.code()).isZero();
    JsonNode report = json(out.resolve("report.json"));
    JsonNode measured = json(json);
    assertThat(measured.get("forget")).isEqualTo(report.at("/after/forget"));
    assertThat(measured.get("retain")).isEqualTo(report.at("/after/retain"));
    assertThat(measured.at("/reference/holdout")).isEqualTo(report.at("/before/holdout"));
    assertThat(measured.get("trueHoldout").asBoolean()).isFalse();
    double tow = 1;
    for (String set : List.of("forget", "retain", "holdout")) {
      double own = measured.get(set).get("accuracy").asDouble();
      tow *= 1 - Math.abs(own - measured.at("/reference/" + set + "/accuracy").asDouble());
    }
    assertThat(measured.get("tow").asDouble()).isCloseTo(tow, within(1e-12));
    assertThat(measured.at("/towInterval/low").asDouble()).isBetween(0.0, tow);
    int relearn = measured.at("/relearnSteps").asInt();
    assertThat(relearn).isBetween(0, 51);
    assertThat(measured.at("/relearnStepsInterval/low").asDouble()).isBetween(0.0, 0.0 + relearn);
    assertThat(measured.at("/relearnStepsInterval/high").asDouble()).isBetween(0.0 + relearn, 51.0);
    assertThat(measured.at("/membershipAucInterval/low").asDouble())
        .isLessThan(measured.get("membershipAuc").asDouble());
    for (String set : List.of("forget", "retain", "holdout")) {
      double accuracy = measured.get(set).get("accuracy").asDouble();
      assertThat(measured.at("/" + set + "/accuracyInterval/low").asDouble()).isLessThan(accuracy);
    }
  }

  @Test
  void whoeverReadsAResultSeesTheOldOneOrTheNewOneWhole() throws IOException {
    // Given: readers that have opened what was there, as another name of the same file has it
    Path out = Files.createDirectory(directory.resolve("out"));
    Path before = Files.createDirectory(directory.resolve("before"));
    List<String> results = List.of("model.params", "recipe.json", "report.json", "e.json");
    for (String name : results) {
      Files.createLink(before.resolve(name), Files.writeString(out.resolve(name), "old"));
    }
    Path ids = ids(0, 20);
    Path json = out.resolve("e.json");

    // When
    List<Answer> answers =
        List.of(
            run("train", "--dataset", DATASET, "--recipe", "mlp", "--epochs", "1", "--out", out),
            run("unlearn", "--model", model, "--dataset", DATASET, "--forget", ids, "--out", out),
            run(
                "evaluate",
                "--model",
                model,
                "--dataset",
                DATASET,
                "--forget",
                ids,
                "--json",
                json));

    // Then
    assertThat(answers).containsOnly(new Answer(0, ""));
    assertThat(names(out)).containsExactlyInAnyOrderElementsOf(results);
    for (String name : results) {
      assertThat(before.resolve(name)).hasContent("old");
      assertThat(out.resolve(name)).isNotEmptyFile();
      assertThat(Files.readAllBytes(out.resolve(name))).isNotEqualTo("old".getBytes(UTF_8));
    }
  }

  @Test
  void shadowModelsSayHowLikeRetrainedModelsUnlearnedOnesAre() throws IOException {
    // Given
    Path json = directory.resolve("e.json");
    Path recipe =
        Files.writeString(
            directory.resolve("recipe.json"),
            "{\"init\": {\"architecture\": \"mlp\", \"widths\": [16]}, \"epochs\": 1}");

    // When
    Answer answer =
        run(
            "evaluate",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--shadow",
            "2",
            "--recipe",
            recipe,
            "--json",
            json);

    // Then
    assertThat(answer).isEqualTo(new Answer(0, ""));
    JsonNode shadow = json(json).get("shadow");
    assertThat(shadow.get("models").asInt()).isEqualTo(2);
    assertThat(shadow.get("forgettingQuality").asDouble()).isBetween(1e-4, 1.0);
    assertThat(shadow.get("neurips2023").asDouble()).isPositive();
    for (String set : List.of("Forget", "Retain", "Holdout")) {
      double klom = shadow.get("klom" + set).asDouble();
      assertThat(klom).isNotNegative();
      assertThat(shadow.at("/klom" + set + "Interval/low").asDouble()).isLessThanOrEqualTo(klom);
      assertThat(shadow.at("/klom" + set + "Interval/high").asDouble())
          .isGreaterThanOrEqualTo(klom);
    }
    assertOneLine(
        run(
            "evaluate",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--shadow",
            "2"),
        "--recipe");
  }

  @Test
  void shadowModelsAreThoseOfTheOtherCommandsWithSeedsOfTheirOwn() throws IOException {
    // Given: what train, unlearn and training without the forget samples make, two of each
    SampleDataset data = Datasets.open(DATASET);
    Path file =
        Files.writeString(
            directory.resolve("recipe.json"),
            "{\"init\": {\"architecture\": \"mlp\", \"widths\": [16]}, \"epochs\": 1, \"seed\": 7}");
    Recipe recipe = Recipe.read(file, data);
    int[] forget = IntStream.range(0, 20).toArray();
    int[] kept = IntStream.range(20, data.size()).toArray();
    double[][][] margins = new double[4][2][];
    double[] accuracies = new double[2];
    for (int k = 0; k < 2; k++) {
      Path trained = directory.resolve("trained" + k);
      Path unlearned = directory.resolve("unlearned" + k);
      run("train", "--dataset", DATASET, "--recipe", file, "--seed", 8 + 2 * k, "--out", trained);
      run(
          "unlearn",
          "--model",
          trained.resolve("model.params"),
          "--dataset",
          DATASET,
          "--forget",
          ids(0, 20),
          "--method",
          "fine-tune",
          "--seed",
          3 + k,
          "--out",
          unlearned);
      Recipe own = recipe.withSeed(9 + 2 * k);
      try (LoadedModel forgot =
              LoadedModel.load(unlearned.resolve("model.params"), ModelFormat.DJL);
          LoadedModel without = own.init().create(own.training().seed())) {
        new Trainer(own.training()).train(without, data, kept, Progress.NONE);
        margins[0][k] = ShadowScores.margins(forgot, data, forget);
        margins[1][k] = ShadowScores.margins(forgot, data, kept);
        margins[2][k] = ShadowScores.margins(without, data, forget);
        margins[3][k] = ShadowScores.margins(without, data, kept);
        accuracies[0] += Evaluator.score(forgot, data, kept).accuracy() / 2;
        accuracies[1] += Evaluator.score(without, data, kept).accuracy() / 2;
      }
    }
    ShadowScores expected =
        ShadowScores.between(
            new ShadowScores.Margins(
                margins[0], margins[1], margins[1], accuracies[0], accuracies[0]),
            new ShadowScores.Margins(
                margins[2], margins[3], margins[3], accuracies[1], accuracies[1]));
    Path json = directory.resolve("e.json");

    // When
    run(
        "evaluate",
        "--model",
        model,
        "--dataset",
        DATASET,
        "--forget",
        ids(0, 20),
        "--shadow",
        2,
        "--recipe",
        file,
        "--method",
        "fine-tune",
        "--seed",
        3,
        "--json",
        json);

    // Then
    JsonNode shadow = json(json).get("shadow");
    assertThat(shadow.get("forgettingQuality").asDouble()).isEqualTo(expected.forgettingQuality());
    assertThat(shadow.get("neurips2023").asDouble())
        .isCloseTo(expected.neurips2023(), within(1e-12));
    assertThat(shadow.get("klomForget").asDouble()).isEqualTo(expected.klomForget());
    assertThat(shadow.get("klomRetain").asDouble()).isEqualTo(expected.klomRetain());
    assertThat(shadow.get("klomHoldout").asDouble()).isEqualTo(expected.klomHoldout());
  }

  @Test
  void aGateThatHoldsIsExitCodeOneAndStillReported() throws IOException {
    Path policy =
        Files.writeString(
            directory.resolve("policy.json"), "{\"gate\": {\"maxRetainDrop\": -1.0}}");

    Answer answer =
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--policy",
            policy,
            "--out",
            directory.resolve("out"));

    assertThat(answer).isEqualTo(new Answer(1, ""));
    assertThat(json(directory.resolve("out").resolve("report.json")).at("/gate/verdict").asText())
        .isEqualTo("HOLD");
  }

  @Test
  void anAnchorGivesUnlearnBothOfItsCaches() throws IOException {
    // Given
    Path anchor = directory.resolve("anchor");
    run("anchor", "--model", model, "--dataset", DATASET, "--folds", "2", "--out", anchor);

    // When
    Answer answer =
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--method",
            "heldout-match",
            "--fisher",
            anchor.resolve("fisher.safetensors"),
            "--heldout",
            anchor.resolve("heldout.npz"),
            "--out",
            directory.resolve("out"));

    // Then
    assertThat(names(anchor)).containsExactly("fisher.safetensors", "heldout.npz");
    assertThat(answer.code()).isLessThan(2);
    assertThat(json(directory.resolve("out").resolve("report.json")).get("method").asText())
        .isEqualTo("heldout-match");
  }

  @Test
  void fisherSumsThatAreGivenAreUsed() throws IOException {
    // Given
    Path sums = directory.resolve("f.safetensors");
    Path reversed = directory.resolve("r.safetensors");
    run("fisher", "--model", model, "--dataset", DATASET, "--out", sums);
    FisherDiagonal own = SafetensorsFile.readDiagonal(sums);
    FisherFile.write(
        reversed,
        new FisherDiagonal(
            own.tensors().stream()
                .map(
                    tensor ->
                        new FisherDiagonal.Tensor(
                            tensor.name(), tensor.shape(), reversed(tensor.values())))
                .toList(),
            own.samples()),
        Sha256.of(model),
        Datasets.open(DATASET).digest());

    // When
    String computed = artifact("computed");
    String given = artifact("given", "--fisher", sums);
    String other = artifact("other", "--fisher", reversed);

    // Then
    assertThat(given).isEqualTo(computed);
    assertThat(other).isNotEqualTo(computed);
  }

  private static float[] reversed(float[] values) {
    float[] reversed = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      reversed[i] = values[values.length - 1 - i];
    }
    return reversed;
  }

  /** The digest of what DeepClean makes. */
  private String artifact(String out, Object... more) throws IOException {
    Stream<Object> all =
        Stream.of(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--method",
            "deepclean",
            "--out",
            directory.resolve(out));
    run(Stream.concat(all, Stream.of(more)).toArray());
    return json(directory.resolve(out).resolve("report.json")).get("artifactSha256").asText();
  }

  @Test
  void foldsAreSplitByTheSubjectsOfALineageFile() throws IOException {
    // Given: a dataset that does not know its subjects
    SampleDataset known = Datasets.open(DATASET);
    String anonymous = "npz:" + npz(DATASET, label -> true);
    int[] all = IntStream.range(0, known.size()).toArray();
    Path lineage =
        Files.writeString(
            directory.resolve("lineage.csv"),
            "sample_id,subject_id\n"
                + IntStream.of(all)
                    .mapToObj(i -> i + "," + known.subject(i).orElseThrow() + "\n")
                    .collect(Collectors.joining()));
    Path out = directory.resolve("out");

    // When
    Answer answer =
        run(
            "anchor",
            "--model",
            model,
            "--dataset",
            anonymous,
            "--lineage",
            lineage,
            "--folds",
            "2",
            "--out",
            out);

    // Then
    assertThat(answer).isEqualTo(new Answer(0, ""));
    SampleDataset data = Datasets.open(anonymous);
    Recipe recipe = Recipe.read(shared.resolve("recipe.json"), data);
    Map<String, String> first = new HashMap<>();
    IntStream.of(all)
        .forEach(i -> first.putIfAbsent(known.subject(i).orElseThrow(), Integer.toString(i)));
    HeldOutTargets expected =
        new CrossFit(() -> recipe.init().create(recipe.training().seed()), recipe.training(), 2)
            .run(
                data,
                all,
                i -> first.get(known.subject(i).orElseThrow()),
                recipe.training().seed(),
                Progress.NONE);
    assertThat(HeldOutFile.read(out.resolve("heldout.npz"), data).logits(all))
        .containsExactly(expected.logits(all));
    Files.writeString(lineage, "sample_id,subject_id\nelsewhere,somebody\n");
    assertOneLine(
        run(
            "anchor",
            "--model",
            model,
            "--dataset",
            anonymous,
            "--lineage",
            lineage,
            "--out",
            directory.resolve("no")),
        "lineage.csv",
        "no sample of the dataset");
  }

  @Test
  void anAnchorThatWasStoppedTrainsOnlyTheFoldsThatItLacks() throws IOException {
    // Given: stopped within the second of two folds; what the first has found is marked
    Path out = Files.createDirectory(directory.resolve("out"));
    SampleDataset data = Datasets.open(DATASET);
    int[] all = IntStream.range(0, data.size()).toArray();
    int[] marked = stopAfterTheFirstFold(out, data);
    float[] marks = new float[10 * marked.length];
    Arrays.fill(marks, 7);
    Path fold = onlyFile(out.resolve(AnchorCommand.FOLDS).resolve("kept"));
    HeldOutFile.write(fold, data, marked, HeldOutTargets.of(10, marked, marks));
    Path slower = directory.resolve("slower.json");
    Files.writeString(
        slower,
        Files.readString(shared.resolve("recipe.json"))
            .replace("\"epochs\" : 3", "\"epochs\" : 2"));
    Path other = Files.createDirectory(directory.resolve("other"));
    copy(out.resolve(AnchorCommand.FOLDS), other.resolve(AnchorCommand.FOLDS));

    // When: the same work, and another
    Answer same = anchor(shared.resolve("recipe.json"), out);
    Answer another = anchor(slower, other);

    // Then
    assertThat(List.of(same, another)).containsOnly(new Answer(0, ""));
    HeldOutTargets expected = crossFitted(Recipe.read(shared.resolve("recipe.json"), data), data);
    HeldOutTargets resumed = HeldOutFile.read(out.resolve("heldout.npz"), data);
    int[] rest = IntStream.of(all).filter(i -> Arrays.binarySearch(marked, i) < 0).toArray();
    assertThat(resumed.logits(marked)).containsOnly(7);
    assertThat(resumed.logits(rest)).containsExactly(expected.logits(rest));
    assertThat(HeldOutFile.read(other.resolve("heldout.npz"), data).logits(all))
        .containsExactly(crossFitted(Recipe.read(slower, data), data).logits(all));
    for (Path folder : List.of(out, other)) {
      assertThat(names(folder)).containsExactly("fisher.safetensors", "heldout.npz");
    }
  }

  private static Answer anchor(Path recipe, Path out) {
    return run(
        "anchor",
        "--model",
        model,
        "--dataset",
        DATASET,
        "--recipe",
        recipe,
        "--folds",
        "2",
        "--out",
        out);
  }

  private static HeldOutTargets crossFitted(Recipe recipe, SampleDataset data) {
    return new CrossFit(() -> recipe.init().create(recipe.training().seed()), recipe.training(), 2)
        .run(
            data,
            IntStream.range(0, data.size()).toArray(),
            i -> data.subject(i).orElseThrow(),
            recipe.training().seed(),
            Progress.NONE);
  }

  /**
   * As the command does it, in one thread.
   *
   * @return the samples of the fold that is done
   */
  private int[] stopAfterTheFirstFold(Path out, SampleDataset data) throws IOException {
    Recipe recipe = Recipe.read(shared.resolve("recipe.json"), data);
    KeptFolds.Work work =
        new KeptFolds.Work(
            recipe,
            2,
            10,
            data,
            IntStream.range(0, data.size()).toArray(),
            new int[0],
            i -> data.subject(i).orElseThrow());
    int threads = ComputeThreads.get();
    ComputeThreads.set(1);
    try {
      KeptFolds folds =
          new KeptFolds(
              ArtifactStores.open(out.resolve(AnchorCommand.FOLDS).toUri()), "", directory);
      assertThatThrownBy(
              () ->
                  folds.run(
                      work,
                      resumed -> assertThat(resumed).isZero(),
                      (stage, done, total) -> {
                        if (10 * done > 7 * total) {
                          throw new CancellationException();
                        }
                      }))
          .isInstanceOf(CancellationException.class);
    } finally {
      ComputeThreads.set(threads);
    }
    Path fold = onlyFile(out.resolve(AnchorCommand.FOLDS).resolve("kept"));
    return HeldOutFile.read(fold, data).samples();
  }

  private static Path onlyFile(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      List<Path> found = files.toList();
      assertThat(found).hasSize(1);
      return found.get(0);
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    Path kept = Files.createDirectories(to.resolve("kept"));
    Path file = onlyFile(from.resolve("kept"));
    Files.copy(file, kept.resolve(file.getFileName()));
  }

  @Test
  void aMethodThatThereIsNotIsNotPassedOver() throws IOException {
    Path policy =
        Files.writeString(
            directory.resolve("policy.json"),
            "{\"methodParameters\": {\"deepclaen\": {\"quantile\": 0.1}}}");

    assertOneLine(
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--policy",
            policy,
            "--out",
            directory.resolve("out")),
        "policy.json",
        "unknown unlearning method deepclaen");
  }

  /** Samples as an npz file, of some labels only. */
  private Path npz(String uri, IntPredicate wanted) throws IOException {
    SampleDataset whole = Datasets.open(uri);
    int[] chosen =
        IntStream.range(0, whole.size()).filter(i -> wanted.test(whole.label(i))).toArray();
    Path file = directory.resolve("some.npz");
    try (NDManager manager = NDManager.newBaseManager();
        OutputStream out = Files.newOutputStream(file)) {
      NDList batch = whole.batch(manager, chosen);
      batch.get(0).setName("x");
      batch.get(1).setName("y");
      batch.encode(out, NDList.Encoding.NPZ);
    }
    return file;
  }

  @Test
  void targetsAreAsSureAsTheModelIsOfAHoldoutSetWithoutTheLastClass() throws IOException {
    // Given
    Path plain = directory.resolve("plain");
    Path adjusted = directory.resolve("adjusted");
    Path holdout = npz(HOLDOUT, label -> label < 9);

    // When
    Answer without =
        run("anchor", "--model", model, "--dataset", DATASET, "--folds", "2", "--out", plain);
    Answer with =
        run(
            "anchor",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--holdout",
            "npz:" + holdout,
            "--folds",
            "2",
            "--out",
            adjusted);

    // Then
    assertThat(without).isEqualTo(new Answer(0, ""));
    assertThat(with).isEqualTo(new Answer(0, ""));
    SampleDataset dataset = Datasets.open(DATASET);
    int[] all = IntStream.range(0, dataset.size()).toArray();
    HeldOutTargets own = HeldOutFile.read(plain.resolve("heldout.npz"), dataset);
    try (LoadedModel anchor = LoadedModel.load(model, ModelFormat.DJL)) {
      assertThat(HeldOutFile.read(adjusted.resolve("heldout.npz"), dataset).logits(all))
          .containsExactly(
              Confidence.adjusted(own, anchor, Datasets.open("npz:" + holdout)).logits(all))
          .isNotEqualTo(own.logits(all));
    }
  }

  @Test
  void anAnchorThatCannotBeFinishedIsRefusedBeforeItIsBegun() throws IOException {
    // Given
    Path wide =
        Files.writeString(
            directory.resolve("wide.json"),
            "{\"init\": {\"architecture\": \"mlp\", \"widths\": [8], \"classes\": 12}, \"epochs\": 1}");
    Path out = directory.resolve("out");

    // Then
    assertOneLine(
        run("anchor", "--model", model, "--dataset", DATASET, "--recipe", wide, "--out", out),
        "of 12 classes",
        "has 10");
    assertOneLine(
        run(
            "anchor",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--holdout",
            "npz:" + directory.resolve("missing.npz"),
            "--out",
            out),
        "missing.npz");
    assertThat(out).doesNotExist();
  }

  @Test
  void aModelMayKnowMoreClassesThanItsDatasetHas() throws IOException {
    // Given
    Path wide =
        Files.writeString(
            directory.resolve("wide.json"),
            "{\"init\": {\"architecture\": \"mlp\", \"widths\": [8], \"classes\": 12}, \"epochs\": 1}");
    Path trained = directory.resolve("trained");
    run("train", "--dataset", DATASET, "--recipe", wide, "--out", trained);

    // When
    Answer anchored =
        run(
            "anchor",
            "--model",
            trained.resolve("model.params"),
            "--dataset",
            DATASET,
            "--folds",
            "2",
            "--out",
            directory.resolve("anchor"));
    Answer unlearned =
        run(
            "unlearn",
            "--model",
            trained.resolve("model.params"),
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--method",
            "heldout-match",
            "--heldout",
            directory.resolve("anchor").resolve("heldout.npz"),
            "--out",
            directory.resolve("out"));

    // Then
    assertThat(anchored).isEqualTo(new Answer(0, ""));
    assertThat(unlearned.code()).isLessThan(2);
    assertThat(unlearned.said()).isEmpty();
  }

  @Test
  void aClassIsReleasedOnlyWhenTheModelHasForgottenIt() throws IOException {
    // Given
    Path idle =
        Files.writeString(
            directory.resolve("idle.json"),
            "{\"methodParameters\": {\"unsir\": {\"impairRate\": 1e-9, \"repairRate\": 1e-9}}}");
    Path strong =
        Files.writeString(
            directory.resolve("strong.json"),
            "{\"methodParameters\": {\"unsir\": {\"impairRate\": 0.02, \"repairRate\": 0.01}},"
                + " \"gate\": {\"maxRetainDrop\": 1.0, \"maxHoldoutDrop\": 1.0, \"maxForgetGap\": 0.1}}");

    // When: the last class, whose samples the dataset has, and has not
    Answer knows = forgetClass(DATASET, idle, "knows");
    Answer forgot = forgetClass(DATASET, strong, "forgot");
    Answer gone = forgetClass("npz:" + npz(DATASET, label -> label < 9), strong, "gone");

    // Then
    assertThat(knows).isEqualTo(new Answer(1, ""));
    assertThat(forgot).isEqualTo(new Answer(0, ""));
    assertThat(gone).isEqualTo(new Answer(0, ""));
    for (String of : List.of("forgot", "gone")) {
      assertThat(
              json(directory.resolve(of).resolve("report.json"))
                  .at("/forgottenClasses/accuracyAfter")
                  .asDouble())
          .isLessThan(0.1);
    }
    assertOneLine(
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--classes",
            "10",
            "--out",
            directory.resolve("no")),
        "classes are 0 to 9");
  }

  private Answer forgetClass(String dataset, Path policy, String out) {
    return run(
        "unlearn",
        "--model",
        model,
        "--dataset",
        dataset,
        "--holdout",
        HOLDOUT,
        "--classes",
        "9",
        "--policy",
        policy,
        "--out",
        directory.resolve(out));
  }

  /** What nobody foresaw must not pass for a gate that held. */
  @Test
  void aDefectHasAnExitCodeOfItsOwn() {
    CommandLine main = Main.commandLine();

    assertThat(main.getSubcommands().values())
        .allMatch(
            command ->
                command.getExitCodeExceptionMapper().getExitCode(new IllegalStateException())
                    == Main.DEFECT);
  }

  @Test
  void whatBelongsToAnotherModelOrDatasetIsRefused() throws IOException {
    // Given
    Path fisher = directory.resolve("f.safetensors");
    run("fisher", "--model", model, "--dataset", HOLDOUT, "--out", fisher);

    // When
    Answer answer =
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids(0, 20),
            "--fisher",
            fisher,
            "--out",
            directory.resolve("out"));

    // Then
    assertOneLine(answer, "f.safetensors", "another dataset");
    assertThat(names(directory.resolve("out"))).isEmpty();
  }

  @Test
  void filesThatCannotBeUsedAreOneLine() throws IOException {
    Path text = Files.writeString(directory.resolve("text"), "neither a model nor an archive");
    Path ids = ids(0, 20);
    String missing = directory.resolve("missing").toString();

    assertOneLine(run("fisher", "--model", missing, "--dataset", DATASET, "--out", text), missing);
    assertOneLine(
        run("fisher", "--model", text, "--dataset", DATASET, "--out", directory.resolve("f")),
        text.toString());
    assertOneLine(
        run(
            "unlearn",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids,
            "--heldout",
            text,
            "--out",
            directory.resolve("out")),
        text.toString());
    assertOneLine(
        run("evaluate", "--model", model, "--dataset", DATASET, "--forget", missing), missing);
    assertOneLine(
        run(
            "evaluate",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--forget",
            ids,
            "--json",
            directory),
        directory.toString());
    assertOneLine(
        run("train", "--dataset", DATASET, "--recipe", "mlp", "--out", text), text.toString());
    assertOneLine(
        run(
            "fisher",
            "--model",
            model,
            "--dataset",
            DATASET,
            "--threads",
            "0",
            "--out",
            directory.resolve("f")),
        "--threads");
  }
}
