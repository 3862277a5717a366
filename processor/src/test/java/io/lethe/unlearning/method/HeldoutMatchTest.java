package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.JobStage;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.BlockRecipe;
import io.lethe.model.ComputeThreads;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HeldoutMatchTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=120&subjects=12&side=8&classes=4");
  private static final int[] ALL = IntStream.range(0, 120).toArray();
  private static final int[] FORGET = IntStream.range(0, 20).toArray();
  private static final int[] RETAIN = IntStream.range(20, 120).toArray();
  private static final TrainingRecipe RECIPE =
      new TrainingRecipe(6, 16, 0.02, TrainingRecipe.Schedule.ONE_CYCLE, 0, 1);
  private static final HeldoutMatchParameters PARAMETERS =
      new HeldoutMatchParameters(60, 60, 60, 0, 20, 32, 0.01, 0.1, 0.1, 0.1, 1);

  @Test
  void movesForgetSamplesToTheirTargetsAndHoldsTheRest() {
    try (LoadedModel model = trained()) {
      float[] wanted = uniformTargets();
      double before = Evaluator.score(model, DATA, RETAIN).metrics().getAccuracy();
      double distance = distance(CrossFit.logits(model, DATA, FORGET), wanted);

      new HeldoutMatch(PARAMETERS).apply(task(model, wanted));

      assertThat(distance(CrossFit.logits(model, DATA, FORGET), wanted))
          .isLessThan(0.25 * distance);
      assertThat(before).isGreaterThan(0.8);
      assertThat(Evaluator.score(model, DATA, RETAIN).metrics().getAccuracy())
          .isGreaterThan(before - 0.1);
    }
  }

  @Test
  void whereTheModelAlreadySaysSoNothingMoves() {
    // At the optimum every gradient vanishes; Adam's step is then bounded by its rate.
    try (LoadedModel model = trained()) {
      float[] already = CrossFit.logits(model, DATA, FORGET);

      new HeldoutMatch(new HeldoutMatchParameters(60, 3, 3, 0, 20, 32, 1e-6, 0.1, 0.1, 0.1, 1))
          .apply(task(model, already));

      assertThat(distance(CrossFit.logits(model, DATA, FORGET), already)).isLessThan(1e-4);
    }
  }

  @Test
  void aModelMayKnowMoreClassesThanTheDatasetHas() {
    Supplier<LoadedModel> wide =
        () -> LoadedModel.create(BlockRecipe.cnn(new Shape(1, 8, 8), 6, 6, 16), 1);

    HeldOutTargets targets =
        new CrossFit(wide, RECIPE, 3)
            .run(DATA, ALL, i -> DATA.subject(i).orElseThrow(), 1, Progress.NONE);

    assertThat(targets.classes()).isEqualTo(6);
    float[] wanted = targets.logits(FORGET);
    for (UnlearningMethod method :
        List.of(
            new HeldoutMatch(PARAMETERS),
            new DatamodelMatching(new DatamodelMatching.Parameters(0.1, 10, PARAMETERS)),
            new DeepClean())) {
      try (LoadedModel model = wide.get()) {
        new Trainer(RECIPE).train(model, DATA, ALL, Progress.NONE);
        UnlearningTask task = withSums(task(model, Optional.of(targets)));
        double distance = distance(CrossFit.logits(model, DATA, FORGET), wanted);

        assertThat(method.missing(task)).isEmpty();
        method.apply(task);

        double now = distance(CrossFit.logits(model, DATA, FORGET), wanted);
        if (method.name().equals(HeldoutMatch.NAME)) {
          assertThat(now).isLessThan(0.5 * distance);
        } else {
          assertThat(now).isFinite().isNotEqualTo(distance);
        }
      }
    }
  }

  /** With what DeepClean toward targets and datamodel matching read as well. */
  private static UnlearningTask withSums(UnlearningTask task) {
    FisherComputer fisher = new FisherComputer(task.model());
    return new UnlearningTask(
        task.model(),
        task.dataset(),
        task.forget(),
        Set.of(),
        task.repairPool(),
        Optional.of(new SampleSet(DATA, RETAIN)),
        fisher.sum(DATA, RETAIN, Progress.NONE),
        fisher.sum(DATA, FORGET, Progress.NONE),
        task.targets(),
        Optional.empty(),
        UnlearningPolicy.newBuilder(task.policy())
            .setDeepclean(
                DeepCleanParameters.newBuilder().setQuantile(0.2).setTowardTargets(true).build())
            .build(),
        1,
        Progress.NONE);
  }

  @Test
  void marginsAreTheLogOddsOfTheLabel() {
    float[] logits = {9, 9, 9, 2, -1, 0.5f};

    double margin = Matching.margin(logits, 3, 3, 2);

    assertThat(margin).isEqualTo(0.5 - Math.log(Math.exp(2) + Math.exp(-1)), within(1e-9));
  }

  @Test
  void aMarginOfNearCertaintyLosesNoDigits() {
    assertThat(Matching.margin(new float[] {60, 0, 0}, 0, 3, 0))
        .isEqualTo(60 - Math.log(2), within(1e-9));
  }

  @Test
  void theLossIsAsWrittenAndItsGradientItsSlope() {
    Random random = new Random(3);
    float[] logits = gaussian(random, 5 * 3);
    float[] targets = gaussian(random, 2 * 3);
    float[] hold = gaussian(random, 3 * 3);
    int[] labels = {0, 2};
    HeldoutMatch.Weights weights = new HeldoutMatch.Weights(0.7, 0.2, 0.4);

    Matching.Result result = Matching.of(logits, targets, hold, labels, 3, weights);

    assertThat(result.loss())
        .isEqualTo(asWritten(logits, targets, hold, labels, weights), within(1e-9));
    for (int i = 0; i < logits.length; i++) {
      float[] up = logits.clone();
      float[] down = logits.clone();
      up[i] += 0x1p-8f;
      down[i] -= 0x1p-8f;
      double slope =
          (asWritten(up, targets, hold, labels, weights)
                  - asWritten(down, targets, hold, labels, weights))
              / ((double) up[i] - down[i]);
      assertThat((double) result.gradient()[i]).isEqualTo(slope, within(1e-4));
    }
  }

  /** The class's formula, term by term, of rows of three logits. */
  private static double asWritten(
      float[] logits, float[] targets, float[] hold, int[] labels, HeldoutMatch.Weights weights) {
    double loss = 0;
    for (int row = 0; row < 5; row++) {
      boolean forget = row < labels.length;
      double[] p = logSoftmax(logits, 3 * row, 3);
      double[] q =
          forget ? logSoftmax(targets, 3 * row, 3) : logSoftmax(hold, 3 * (row - labels.length), 3);
      double square = forget ? weights.square() : weights.hold();
      double term = 0;
      for (int c = 0; c < 3; c++) {
        term += Math.exp(q[c]) * (q[c] - p[c]) + square * Math.pow(p[c] - q[c], 2) / 3;
      }
      if (forget) {
        int y = labels[row];
        double m = p[y] - Math.log(1 - Math.exp(p[y]));
        double wanted = q[y] - Math.log(1 - Math.exp(q[y]));
        term += weights.margin() * Math.pow(m - wanted, 2);
      }
      loss += term / (forget ? labels.length : 5 - labels.length);
    }
    return loss;
  }

  private static float[] gaussian(Random random, int count) {
    float[] values = new float[count];
    for (int i = 0; i < count; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @Test
  void roundsEndWhereTheMarginsAreNearEnough() {
    int[] steps = new int[2];
    for (int run = 0; run < 2; run++) {
      try (LoadedModel model = trained()) {
        double tolerance = run == 0 ? 0 : 100;
        UnlearningTask task = counting(task(model, uniformTargets()), steps, run);

        new HeldoutMatch(
                new HeldoutMatchParameters(60, 9, 4, tolerance, 20, 32, 0.01, 0.1, 0.1, 0.1, 1))
            .apply(task);
      }
    }
    assertThat(steps).containsExactly(9, 4);
  }

  @Test
  void theControlTakesAsManySteps() {
    int[] steps = new int[1];
    try (LoadedModel model = trained()) {
      UnlearningMethod method =
          new HeldoutMatch(
              new HeldoutMatchParameters(60, 9, 4, 100, 20, 32, 0.01, 0.1, 0.1, 0.1, 1));
      UnlearningMethod.Applied applied = method.apply(task(model, uniformTargets()));

      method.control(applied).apply(counting(task(model, uniformTargets()), steps, 0));
    }
    assertThat(steps).containsExactly(4);
  }

  private static UnlearningTask counting(UnlearningTask task, int[] steps, int at) {
    return new UnlearningTask(
        task.model(),
        task.dataset(),
        task.forget(),
        task.repairPool(),
        task.retainSums(),
        task.erasedSums(),
        task.targets(),
        task.policy(),
        task.seed(),
        (stage, step, of) -> {
          if (stage == JobStage.REPAIR) {
            steps[at]++;
          }
        });
  }

  @Test
  void trainsTheLastLayersThatHoldTheShareAndNoOther() {
    try (LoadedModel model = trained()) {
      List<float[]> before = Cases.weights(model);

      UnlearningMethod.Applied applied =
          new HeldoutMatch(
                  new HeldoutMatchParameters(60, 5, 5, 0, 20, 32, 0.01, 0.1, 0.1, 0.1, 0.9))
              .apply(task(model, uniformTargets()));

      List<float[]> after = Cases.weights(model);
      for (int t = 0; t < after.size(); t++) {
        String name = model.weights().get(t).name();
        if (name.startsWith("dense") || name.startsWith("output")) {
          assertThat(after.get(t)).isNotEqualTo(before.get(t));
          assertThat(applied.selected().get(t)).isEqualTo(after.get(t).length);
        } else {
          assertThat(after.get(t)).containsExactly(before.get(t));
          assertThat(applied.selected().get(t)).isZero();
        }
      }
      assertThat(applied.selectedFraction()).isBetween(0.9, 0.999);
    }
  }

  @Test
  void overTheLayersBelowTheOutputsAreThoseOfTheWholeModel() {
    int[] asked = {3, 77, 3, 119};
    try (LoadedModel model = trained();
        TrainedPart part = new TrainedPart(task(model, uniformTargets()), 0.9, ALL)) {
      assertThat(part.weights()).hasSizeLessThan(model.weights().size());

      float[] outputs = part.outputs(asked);
      part.close(); // the weights are plain again

      float[] expected = CrossFit.logits(model, DATA, asked);
      for (int i = 0; i < expected.length; i++) {
        assertThat(outputs[i]).isEqualTo(expected[i], within(1e-4f));
      }
    }
  }

  @Test
  void theControlTrainsOnRetainedLabelsAndKnowsNoTargets() {
    try (LoadedModel model = trained()) {
      UnlearningMethod method = new HeldoutMatch(PARAMETERS);
      UnlearningTask task = task(model, uniformTargets());
      var copy = model.copyWeights(model.manager());
      int[] reservoir = Sampling.choose(RETAIN, 60, Sampling.mix(1, Sampling.RESERVOIR));
      double loss = Evaluator.score(model, DATA, reservoir).metrics().getLoss();
      UnlearningMethod.Applied applied = method.apply(task);
      double reached = distance(CrossFit.logits(model, DATA, FORGET), uniformTargets());
      model.assignWeights(copy);

      method.control(applied).apply(task);

      assertThat(method.control(applied).name()).isEqualTo("fine-tune");
      assertThat(distance(CrossFit.logits(model, DATA, FORGET), uniformTargets()))
          .isGreaterThan(2 * reached);
      // Not the anchor again: that would say nothing about the steps.
      assertThat(Evaluator.score(model, DATA, reservoir).metrics().getLoss())
          .isLessThan(0.5 * loss);
    }
  }

  @Test
  void theControlsLossIsTheMeanCrossEntropyAndItsGradientItsSlope() {
    float[] logits = {1, 2, -1, 0.5f, 0.25f, 3};
    int[] labels = {2, 0};

    Matching.Result result = Matching.ofLabels(logits, labels);

    assertThat(result.loss()).isEqualTo(crossEntropy(logits, labels), within(1e-9));
    for (int i = 0; i < logits.length; i++) {
      float[] up = logits.clone();
      float[] down = logits.clone();
      up[i] += 0x1p-8f;
      down[i] -= 0x1p-8f;
      double slope =
          (crossEntropy(up, labels) - crossEntropy(down, labels)) / ((double) up[i] - down[i]);
      assertThat((double) result.gradient()[i]).isEqualTo(slope, within(1e-5));
    }
  }

  private static double crossEntropy(float[] logits, int[] labels) {
    return -(logSoftmax(logits, 0, 3)[labels[0]] + logSoftmax(logits, 3, 3)[labels[1]]) / 2;
  }

  @Test
  void givesTheSameWeightsTwiceAndKeepsStatistics() {
    float[][] runs = new float[2][];
    for (int run = 0; run < 2; run++) {
      try (LoadedModel model = trained()) {
        float[] statistics = model.buffers().get(0).array().toFloatArray();

        new HeldoutMatch(PARAMETERS).apply(task(model, uniformTargets()));

        runs[run] = model.weights().get(0).array().toFloatArray();
        assertThat(model.buffers().get(0).array().toFloatArray()).containsExactly(statistics);
      }
    }
    assertThat(runs[1]).containsExactly(runs[0]);
  }

  @Test
  void cannotApplyWithoutATargetForEachForgetSample() {
    try (LoadedModel model = trained()) {
      UnlearningMethod method = new HeldoutMatch(PARAMETERS);
      UnlearningTask none = task(model, Optional.empty());
      UnlearningTask few =
          task(model, Optional.of(HeldOutTargets.of(4, new int[] {0}, new float[4])));

      assertThat(method.canApply(none)).isFalse();
      assertThat(method.canApply(few)).isFalse();
      assertThat(method.canApply(task(model, uniformTargets()))).isTrue();
      assertThatThrownBy(() -> method.apply(few))
          .isInstanceOf(UnlearningException.class)
          .hasMessage("a sample to forget has no held-out target");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"heldout-match", "deepclean"})
  void neitherNothingNorAWholeClassIsLedTowardTargets(String name) {
    try (LoadedModel model = trained()) {
      UnlearningTask records = withSums(task(model, uniformTargets()));
      UnlearningTask nothing = records.with(new int[0], RETAIN);
      UnlearningTask wholeClass =
          new UnlearningTask(
              model,
              DATA,
              FORGET,
              Set.of(1),
              RETAIN,
              records.unseen(),
              records.retainSums(),
              records.erasedSums(),
              records.targets(),
              Optional.empty(),
              records.policy(),
              1,
              Progress.NONE);
      UnlearningMethod method = MethodCatalogue.installed().create(name, records.policy());

      assertThat(method.missing(records)).isEmpty();
      assertThat(method.missing(nothing).orElseThrow()).contains("samples to forget");
      assertThat(method.missing(wholeClass).orElseThrow()).contains("single samples");
    }
  }

  @Test
  void overTheLastLayersTheWeightsAreTheSameTwice() {
    List<List<float[]>> runs = new ArrayList<>();
    for (int run = 0; run < 2; run++) {
      try (LoadedModel model = trained()) {
        new HeldoutMatch(
                new HeldoutMatchParameters(60, 60, 60, 0, 20, 32, 0.01, 0.1, 0.1, 0.1, 0.9))
            .apply(task(model, uniformTargets()));
        runs.add(Cases.weights(model));
      }
    }
    assertThat(runs.get(1)).usingRecursiveComparison().isEqualTo(runs.get(0));
  }

  @Test
  void foldsAreWholeSubjectsOfNearlyEqualSize() {
    CrossFit crossFit = new CrossFit(HeldoutMatchTest::untrained, RECIPE, 5);

    List<int[]> split = crossFit.split(ALL, i -> DATA.subject(i).orElseThrow(), 1);

    assertThat(split).hasSize(5);
    assertThat(split.stream().flatMapToInt(Arrays::stream).sorted().toArray()).containsExactly(ALL);
    assertThat(split).allSatisfy(fold -> assertThat(fold.length).isBetween(20, 30));
    Set<String> seen = new HashSet<>();
    for (int[] fold : split) {
      Set<String> subjects = new HashSet<>();
      for (int sample : fold) {
        subjects.add(DATA.subject(sample).orElseThrow());
      }
      assertThat(seen).doesNotContainAnyElementsOf(subjects);
      seen.addAll(subjects);
    }
  }

  @Test
  void aSamplesTargetComesFromAModelThatNeverSawIt() {
    CrossFit crossFit = new CrossFit(HeldoutMatchTest::untrained, RECIPE, 3);
    List<int[]> split = crossFit.split(ALL, i -> DATA.subject(i).orElseThrow(), 1);
    int[] others =
        IntStream.concat(Arrays.stream(split.get(0)), Arrays.stream(split.get(2)))
            .sorted()
            .toArray();
    float[] expected;
    int threads = ComputeThreads.get();
    ComputeThreads.set(threads / Math.min(3, threads)); // as each of three folds has
    try (LoadedModel model = untrained()) {
      new Trainer(RECIPE).train(model, DATA, others, Progress.NONE);
      expected = CrossFit.logits(model, DATA, split.get(1));
    } finally {
      ComputeThreads.set(threads);
    }

    HeldOutTargets targets =
        crossFit.run(DATA, ALL, i -> DATA.subject(i).orElseThrow(), 1, Progress.NONE);

    assertThat(targets.size()).isEqualTo(120);
    assertThat(targets.logits(split.get(1))).containsExactly(expected);
  }

  @Test
  void refusesMoreFoldsThanSubjects() {
    CrossFit crossFit = new CrossFit(HeldoutMatchTest::untrained, RECIPE, 13);

    assertThatThrownBy(() -> crossFit.split(ALL, i -> DATA.subject(i).orElseThrow(), 1))
        .isInstanceOf(UnlearningException.class)
        .hasMessage("12 data subjects are too few for 13 folds");
  }

  private static LoadedModel untrained() {
    return LoadedModel.create(BlockRecipe.cnn(new Shape(1, 8, 8), 4, 6, 16), 1);
  }

  private static LoadedModel trained() {
    LoadedModel model = untrained();
    new Trainer(RECIPE).train(model, DATA, ALL, Progress.NONE);
    return model;
  }

  private static float[] uniformTargets() {
    return new float[FORGET.length * 4];
  }

  private static UnlearningTask task(LoadedModel model, float[] targets) {
    return task(model, Optional.of(HeldOutTargets.of(4, FORGET, targets)));
  }

  private static UnlearningTask task(LoadedModel model, Optional<HeldOutTargets> targets) {
    FisherDiagonal unused = new FisherDiagonal(List.of(), 0);
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder()
            .setDeepclean(DeepCleanParameters.newBuilder().build())
            .setGate(GateThresholds.newBuilder().build())
            .build();
    return new UnlearningTask(
        model, DATA, FORGET, RETAIN, unused, unused, targets, policy, 1, Progress.NONE);
  }

  /** Mean absolute difference of log-probabilities. */
  private static double distance(float[] left, float[] right) {
    double sum = 0;
    int classes = left.length / FORGET.length;
    for (int row = 0; row < left.length; row += classes) {
      double[] a = logSoftmax(left, row, classes);
      double[] b = logSoftmax(right, row, classes);
      for (int c = 0; c < classes; c++) {
        sum += Math.abs(a[c] - b[c]);
      }
    }
    return sum / left.length;
  }

  private static double[] logSoftmax(float[] logits, int row, int classes) {
    double sum = 0;
    for (int c = 0; c < classes; c++) {
      sum += Math.exp(logits[row + c]);
    }
    double log = Math.log(sum);
    return IntStream.range(0, classes).mapToDouble(c -> logits[row + c] - log).toArray();
  }
}
