package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.NDArray;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateCheck;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobStage;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.method.DeepClean;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnlearningPipelineTest {
  private static final String URI = "synthetic:digits?samples=240&subjects=12&side=8&test=60";
  private static final SampleDataset DATA = Datasets.open(URI);
  private static final Optional<SampleDataset> HOLDOUT = Optional.of(Datasets.open(URI + "#test"));
  private static final int[] NONE = {};
  private static final int[] FIRST = IntStream.range(0, 20).toArray();
  private static final int[] SECOND = IntStream.range(20, 40).toArray();

  @TempDir Path directory;
  private Path anchor;
  private FisherDiagonal all;
  private final UnlearningPipeline pipeline = new UnlearningPipeline();

  @BeforeEach
  void trainAnAnchor() {
    trainAnAnchor(3);
  }

  private void trainAnAnchor(int epochs) {
    anchor = directory.resolve("anchor.params");
    try (LoadedModel model =
        LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 10, 4, 6, 12), 1)) {
      new Trainer(new TrainingRecipe(epochs, 16, 0.01, TrainingRecipe.Schedule.ONE_CYCLE, 0, 1))
          .train(model, DATA, IntStream.range(0, 240).toArray(), Progress.NONE);
      model.write(anchor);
    }
    all = pipeline.anchor(anchor, ModelFormat.DJL, DATA, NONE, Progress.NONE).sums();
  }

  @Test
  void theSameJobTwiceWritesTheSameBytes() throws IOException {
    Path one = directory.resolve("one.params");
    Path two = directory.resolve("two.params");
    UnlearningResult first = pipeline.unlearn(request(FIRST, NONE, all, one), Progress.NONE);

    UnlearningResult second = pipeline.unlearn(request(FIRST, NONE, all, two), Progress.NONE);

    assertThat(Files.mismatch(one, two)).isEqualTo(-1);
    assertThat(Files.mismatch(one, anchor)).isNotEqualTo(-1);
    assertThat(second.after()).isEqualTo(first.after());
    assertThat(second.control()).isEqualTo(first.control());
    assertThat(second.batchFisher()).usingRecursiveComparison().isEqualTo(first.batchFisher());
  }

  @Test
  void aReleaseDoesNotDependOnTheOrderOfBatches() {
    FisherDiagonal first = sums(FIRST);
    FisherDiagonal second = sums(SECOND);

    UnlearningResult forward =
        pipeline.unlearn(
            request(SECOND, FIRST, all.minus(first), first, directory.resolve("f"), unrepaired()),
            Progress.NONE);
    UnlearningResult backward =
        pipeline.unlearn(
            request(FIRST, SECOND, all.minus(second), second, directory.resolve("b"), unrepaired()),
            Progress.NONE);

    // All but what earlier batches erased, which is the other half
    assertThat(forward.before().getForget()).isEqualTo(backward.before().getForget());
    assertThat(forward.before().getRetain()).isEqualTo(backward.before().getRetain());
    assertThat(forward.before().getHoldout()).isEqualTo(backward.before().getHoldout());
    assertThat(forward.before().getMembershipAuc()).isEqualTo(backward.before().getMembershipAuc());
    assertThat(forward.before().getEarlier().orElseThrow().getSamples()).isEqualTo(20);
    assertThat(forward.after().getForget().getSamples()).isEqualTo(40);
    assertThat(forward.selectedFraction()).isEqualTo(backward.selectedFraction());
    // The sums may differ in the last digit, the selected weights then at the edge.
    assertThat(shareOfZeroInBoth(directory.resolve("f"), directory.resolve("b")))
        .isGreaterThanOrEqualTo(0.99);
  }

  /** Of the weights that one of two releases of DeepClean without repair set to zero. */
  private static double shareOfZeroInBoth(Path one, Path other) {
    int both = 0;
    int either = 0;
    try (LoadedModel first = LoadedModel.load(one, ModelFormat.DJL);
        LoadedModel second = LoadedModel.load(other, ModelFormat.DJL)) {
      for (int t = 0; t < first.weights().size(); t++) {
        float[] f = first.weights().get(t).array().toFloatArray();
        float[] s = second.weights().get(t).array().toFloatArray();
        for (int i = 0; i < f.length; i++) {
          both += f[i] == 0 && s[i] == 0 ? 1 : 0;
          either += f[i] == 0 || s[i] == 0 ? 1 : 0;
        }
      }
    }
    return (double) both / either;
  }

  @Test
  void theResultIsWhole() {
    Set<JobStage> stages = EnumSet.noneOf(JobStage.class);
    Path output = directory.resolve("out.params");

    UnlearningResult result =
        pipeline.unlearn(
            request(FIRST, NONE, all, output), (stage, done, total) -> stages.add(stage));

    assertThat(stages).isEqualTo(EnumSet.complementOf(EnumSet.of(JobStage.TRAIN)));
    assertThat(result.method()).isEqualTo("deepclean");
    assertThat(result.batchFisher().samples()).isEqualTo(20);
    assertThat(result.selectedFraction()).isBetween(0.09, 0.11);
    assertThat(result.trueHoldout()).isTrue();
    assertThat(result.after().getTrueHoldout()).contains(true);
    assertThat(result.before().getHoldout().getSamples()).isEqualTo(60);
    assertThat(result.before().getRetain().getSamples()).isEqualTo(220);
    assertThat(result.checks())
        .extracting(GateCheck::getName)
        .containsExactly(Gate.RETAIN_DROP, Gate.HOLDOUT_DROP, Gate.FORGET_GAP);
    try (LoadedModel released = LoadedModel.load(output, ModelFormat.DJL)) {
      assertThat(Evaluator.score(released, DATA, FIRST).metrics())
          .isEqualTo(result.after().getForget());
    }
  }

  @Test
  void withoutAHoldoutATenthOfTheRetainedSamplesServes() {
    UnlearningRequest given = request(FIRST, NONE, all, directory.resolve("h.params"));

    UnlearningResult result =
        pipeline.unlearn(
            new UnlearningRequest(
                anchor,
                ModelFormat.DJL,
                DATA,
                Optional.empty(),
                FIRST,
                NONE,
                all,
                all.zero(),
                given.policy(),
                1,
                given.output()),
            Progress.NONE);

    assertThat(result.trueHoldout()).isFalse();
    assertThat(result.after().getTrueHoldout()).contains(false);
    int holdout = result.before().getHoldout().getSamples();
    assertThat(holdout)
        .isEqualTo(
            (int) IntStream.range(20, 240).filter(i -> Sampling.isStandInHoldout(i, 1)).count());
    assertThat(IntStream.range(0, 10_000).filter(i -> Sampling.isStandInHoldout(i, 1)).count())
        .isBetween(900L, 1100L);
    assertThat(result.before().getRetain().getSamples()).isEqualTo(220 - holdout);
  }

  @Test
  void aReleaseThatFailsEveryRungIsHeldForAPerson() {
    Path output = directory.resolve("held.params");
    UnlearningRequest request = request(FIRST, NONE, all, all.zero(), output, policy(gate(-1.0)));

    UnlearningResult result = pipeline.unlearn(request, Progress.NONE);

    assertThat(result.verdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.checks().stream().filter(GateCheck::getMeasured))
        .hasSize(2)
        .noneMatch(GateCheck::getPassed);
    assertThat(output).exists();
  }

  @Test
  void aClassIsReleasedWhenItIsForgottenWhateverIsSaidOfItsSamples() {
    trainAnAnchor(12);
    int[] ones = ofClass(1);
    float[] knowing = new float[10 * ones.length];
    IntStream.range(0, ones.length).forEach(i -> knowing[10 * i + 1] = 9);

    UnlearningResult result =
        run(
            ones,
            Set.of(1),
            Optional.of(HeldOutTargets.of(10, ones, knowing)),
            new Step("without-ones", model -> silence(model, 1)));

    assertThat(result.checks())
        .extracting(GateCheck::getName)
        .containsExactly(
            Gate.RETAIN_DROP, Gate.HOLDOUT_DROP, Gate.CLASS_ACCURACY, Gate.CLASS_HOLDOUT_ACCURACY);
    assertThat(result.verdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.forgottenClasses().orElseThrow().before()).isGreaterThan(0.2);
    assertThat(result.forgottenClasses().orElseThrow().after()).isZero();
  }

  @Test
  void aModelThatStillKnowsTheClassIsHeld() {
    trainAnAnchor(12);
    int[] ones = ofClass(1);

    UnlearningResult result =
        run(ones, Set.of(1), Optional.empty(), new Step("nothing", model -> {}));

    assertThat(result.verdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.checks().stream().filter(check -> !check.getPassed()))
        .extracting(GateCheck::getName)
        .containsExactly(Gate.CLASS_ACCURACY, Gate.CLASS_HOLDOUT_ACCURACY);
  }

  @Test
  void aRungThatFailsItsGateGivesWayToTheNext() {
    trainAnAnchor(12);
    UnlearningResult result =
        run(
            FIRST,
            Set.of(),
            Optional.empty(),
            new Step("wipe", UnlearningPipelineTest::wipe),
            new Step("nothing", model -> {}));

    assertThat(result.method()).isEqualTo("nothing");
    assertThat(result.verdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.failed()).isEmpty();
    assertThat(directory.resolve("steps.params")).hasSameBinaryContentAs(anchor);
  }

  @Test
  void theLastRungThatMadeAnythingIsWhatIsHeld() {
    trainAnAnchor(12);
    UnlearningResult result =
        run(
            FIRST,
            Set.of(),
            Optional.empty(),
            new Step("wipe", UnlearningPipelineTest::wipe),
            new Step("throws", UnlearningPipelineTest::diverge));

    assertThat(result.method()).isEqualTo("wipe");
    assertThat(result.verdict()).isEqualTo(Verdict.HOLD);
    assertThat(result.failed())
        .containsExactly(new UnlearningResult.Failed("throws", "it diverged"));
    try (LoadedModel held = LoadedModel.load(directory.resolve("steps.params"), ModelFormat.DJL)) {
      for (float value : held.weights().get(0).array().toFloatArray()) {
        assertThat(value).isZero();
      }
      assertThat(Evaluator.score(held, DATA, FIRST).metrics())
          .isEqualTo(result.after().getForget());
    }
  }

  @Test
  void aRungThatThrowsGivesWayToTheNextWhichStartsFromTheAnchor() {
    UnlearningResult result =
        run(
            FIRST,
            Set.of(),
            Optional.empty(),
            new Step("throws", UnlearningPipelineTest::diverge),
            new Step("nothing", model -> {}));

    assertThat(result.method()).isEqualTo("nothing");
    assertThat(result.verdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.failed())
        .containsExactly(new UnlearningResult.Failed("throws", "it diverged"));
    assertThat(directory.resolve("steps.params")).hasSameBinaryContentAs(anchor);
  }

  @Test
  void aControlThatThrowsTakesNothingFromTheRelease() {
    UnlearningResult result =
        run(
            FIRST,
            Set.of(),
            Optional.empty(),
            new Step("nothing", model -> {}, UnlearningPipelineTest::diverge));

    assertThat(result.verdict()).isEqualTo(Verdict.RELEASE);
    assertThat(result.control()).isEmpty();
    assertThat(result.failed())
        .containsExactly(new UnlearningResult.Failed("control of nothing", "it diverged"));
    assertThat(directory.resolve("steps.params")).hasSameBinaryContentAs(anchor);
  }

  @Test
  void aLadderOfWhichEveryRungThrowsSaysWhy() {
    assertThatThrownBy(
            () ->
                run(
                    FIRST,
                    Set.of(),
                    Optional.empty(),
                    new Step("throws", UnlearningPipelineTest::diverge)))
        .isInstanceOf(UnlearningException.class)
        .hasMessage("every method of the ladder failed: throws: it diverged");
  }

  private static void wipe(LoadedModel model) {
    model.weights().forEach(weight -> weight.array().muli(0));
  }

  /** Leaves the weights broken, as what diverges does. */
  private static void diverge(LoadedModel model) {
    wipe(model);
    throw new UnlearningException("it diverged");
  }

  @Test
  void aReleaseFromAnEarlierOneIsComparedWithThat() {
    Path parent = directory.resolve("parent.params");
    try (LoadedModel model = LoadedModel.load(anchor, ModelFormat.DJL)) {
      silence(model, 1);
      model.write(parent);
    }

    UnlearningResult result =
        run(
            FIRST,
            Set.of(),
            Optional.empty(),
            Optional.of(parent),
            new Step("nothing", model -> {}));

    assertThat(result.after().getRetainDivergence()).contains(0.0);
    assertThat(result.before().getRetainDivergence()).isEmpty();
  }

  @Test
  void cancellingLeavesNoFile() {
    Path output = directory.resolve("cancelled.params");
    for (JobStage stage : EnumSet.complementOf(EnumSet.of(JobStage.TRAIN))) {
      assertThatThrownBy(
              () ->
                  pipeline.unlearn(
                      request(FIRST, NONE, all, output),
                      (at, done, total) -> {
                        if (at == stage) {
                          throw new CancellationException();
                        }
                      }))
          .isInstanceOf(CancellationException.class);
      assertThat(output).doesNotExist();
    }
  }

  @Test
  void nothingStaysAttachedToTheModel() {
    int[] samples = IntStream.range(0, 240).toArray();
    try (LoadedModel model = LoadedModel.load(anchor, ModelFormat.DJL)) {
      FisherDiagonal batch = new FisherComputer(model).sum(DATA, FIRST, Progress.NONE);
      UnlearningTask task =
          new UnlearningTask(
              model,
              DATA,
              FIRST,
              SECOND,
              all.minus(batch),
              batch,
              Optional.empty(),
              policy(gate(1.0)),
              1,
              Progress.NONE);
      int arrays = model.manager().getManagedArrays().size();

      FisherComputer.ofMinibatch(model, 64).sum(DATA, samples, Progress.NONE);
      new FisherComputer(model).loop(DATA, FIRST, Progress.NONE);
      new Trainer(new TrainingRecipe(1, 16, 0.01, TrainingRecipe.Schedule.COSINE, 0, 1))
          .train(model, DATA, samples, Progress.NONE);
      new DeepClean().apply(task);
      new Evaluator(DATA, FIRST, SECOND, DATA, samples).evaluate(model, Progress.NONE);

      assertThat(model.manager().getManagedArrays()).hasSize(arrays);
    }
  }

  @Test
  void anAnchorLeavesErasedSamplesOut() {
    FisherDiagonal without =
        pipeline.anchor(anchor, ModelFormat.DJL, DATA, FIRST, Progress.NONE).sums();

    FisherDiagonal subtracted = all.minus(sums(FIRST));

    assertThat(without.samples()).isEqualTo(220).isEqualTo(subtracted.samples());
    for (int t = 0; t < without.tensors().size(); t++) {
      float[] expected = without.tensors().get(t).values();
      float[] actual = subtracted.tensors().get(t).values();
      float largest = 0;
      for (float value : all.tensors().get(t).values()) {
        largest = Math.max(largest, value);
      }
      for (int i = 0; i < expected.length; i++) {
        assertThat(Math.abs(actual[i] - expected[i])).isLessThanOrEqualTo(1e-5f * largest);
      }
    }
  }

  @Test
  void refusesWhatDoesNotFitTogetherInOneLine() {
    Path output = directory.resolve("never.params");
    UnlearningPolicy unknown =
        UnlearningPolicy.newBuilder(policy(gate(1.0))).setLadder(List.of("amnesia")).build();
    assertRefused(
        request(FIRST, NONE, all, all.zero(), output, unknown),
        "unknown unlearning method amnesia; known are");
    assertRefused(request(NONE, NONE, all, output), "a batch of 0 of a dataset of 240");
    assertRefused(request(new int[] {1, 1}, NONE, all, output), "must be distinct");
    assertRefused(request(new int[] {240}, NONE, all, output), "in the dataset");
    assertRefused(request(FIRST, SECOND, all, output), "Fisher sums over 240 retained");
    assertThat(output).doesNotExist();
  }

  private void assertRefused(UnlearningRequest request, String message) {
    assertThatThrownBy(() -> pipeline.unlearn(request, Progress.NONE))
        .isInstanceOf(UnlearningException.class)
        .hasMessageContaining(message)
        .satisfies(e -> assertThat(e.getMessage().lines()).hasSize(1));
  }

  private FisherDiagonal sums(int[] samples) {
    try (LoadedModel model = LoadedModel.load(anchor, ModelFormat.DJL)) {
      return new FisherComputer(model).sum(DATA, samples, Progress.NONE);
    }
  }

  private UnlearningRequest request(int[] batch, int[] erased, FisherDiagonal sums, Path output) {
    return request(batch, erased, sums, all.zero(), output);
  }

  private UnlearningRequest request(
      int[] batch, int[] erased, FisherDiagonal retain, FisherDiagonal gone, Path output) {
    return request(batch, erased, retain, gone, output, policy(gate(1.0)));
  }

  private UnlearningRequest request(
      int[] batch,
      int[] erased,
      FisherDiagonal retain,
      FisherDiagonal gone,
      Path output,
      UnlearningPolicy policy) {
    return new UnlearningRequest(
        anchor, ModelFormat.DJL, DATA, HOLDOUT, batch, erased, retain, gone, policy, 1, output);
  }

  private static int[] ofClass(int label) {
    return IntStream.range(0, DATA.size()).filter(i -> DATA.label(i) == label).toArray();
  }

  /** A job whose ladder is these steps. */
  private UnlearningResult run(
      int[] batch, Set<Integer> classes, Optional<HeldOutTargets> targets, Step... steps) {
    return run(batch, classes, targets, Optional.empty(), steps);
  }

  private UnlearningResult run(
      int[] batch,
      Set<Integer> classes,
      Optional<HeldOutTargets> targets,
      Optional<Path> start,
      Step... steps) {
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(
                policy(
                    classes.isEmpty()
                        ? gate(0.1)
                        : GateThresholds.newBuilder().setMaxForgetGap(0.05).build()))
            .setLadder(Arrays.stream(steps).map(Step::name).toList())
            .build();
    return new UnlearningPipeline(new Ladder(List.of(steps)))
        .unlearn(
            new UnlearningRequest(
                anchor,
                ModelFormat.DJL,
                DATA,
                HOLDOUT,
                batch,
                NONE,
                all,
                all.zero(),
                targets,
                start,
                classes,
                Optional.empty(),
                policy,
                1,
                directory.resolve("steps.params")),
            Progress.NONE);
  }

  /** The class is never said again. */
  private static void silence(LoadedModel model, int label) {
    NDArray bias =
        model.weights().stream()
            .filter(weight -> weight.name().equals("output.bias"))
            .findFirst()
            .orElseThrow()
            .array();
    float[] values = bias.toFloatArray();
    values[label] = -1e6f;
    try (NDArray without = model.manager().create(values)) {
      without.copyTo(bias);
    }
  }

  /** A method of a test's own. */
  private record Step(
      String name, Consumer<LoadedModel> change, Consumer<LoadedModel> controlsChange)
      implements UnlearningMethod {
    Step(String name, Consumer<LoadedModel> change) {
      this(name, change, model -> {});
    }

    @Override
    public Applied apply(UnlearningTask task) {
      change.accept(task.model());
      return new Applied(List.of(1), 1, 0, 0);
    }

    @Override
    public UnlearningMethod control(Applied applied) {
      return new Step("control of " + name, controlsChange);
    }
  }

  private record Ladder(List<Step> steps) implements MethodCatalogue {
    @Override
    public List<Entry> entries() {
      return List.of();
    }

    @Override
    public UnlearningMethod create(String name, UnlearningPolicy policy) {
      return steps.stream().filter(step -> step.name().equals(name)).findFirst().orElseThrow();
    }
  }

  private static GateThresholds gate(double most) {
    return GateThresholds.newBuilder().setMaxRetainDrop(most).setMaxHoldoutDrop(most).build();
  }

  private static UnlearningPolicy unrepaired() {
    UnlearningPolicy policy = policy(gate(1.0));
    return UnlearningPolicy.newBuilder(policy)
        .setDeepclean(
            DeepCleanParameters.newBuilder(policy.getDeepclean()).setRepairEpochs(0).build())
        .build();
  }

  private static UnlearningPolicy policy(GateThresholds gate) {
    return UnlearningPolicy.newBuilder()
        .setDeepclean(
            DeepCleanParameters.newBuilder()
                .setQuantile(0.1)
                .setReservoirSamples(100)
                .setRepairEpochs(2)
                .setRepairBatch(16)
                .build())
        .setGate(gate)
        .build();
  }
}
