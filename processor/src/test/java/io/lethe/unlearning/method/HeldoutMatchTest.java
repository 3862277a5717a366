package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.BlockRecipe;
import io.lethe.model.ComputeThreads;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class HeldoutMatchTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=120&subjects=12&side=8&classes=4");
  private static final int[] ALL = IntStream.range(0, 120).toArray();
  private static final int[] FORGET = IntStream.range(0, 20).toArray();
  private static final int[] RETAIN = IntStream.range(20, 120).toArray();
  private static final TrainingRecipe RECIPE =
      new TrainingRecipe(6, 16, 0.02, TrainingRecipe.Schedule.ONE_CYCLE, 0, 1);
  private static final HeldoutMatchParameters PARAMETERS =
      new HeldoutMatchParameters(60, 60, 20, 32, 0.01, 0.1);

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

      new HeldoutMatch(new HeldoutMatchParameters(60, 3, 20, 32, 1e-6, 0.1))
          .apply(task(model, already));

      assertThat(distance(CrossFit.logits(model, DATA, FORGET), already)).isLessThan(1e-4);
    }
  }

  @Test
  void theControlDoesTheSameWithoutTargets() {
    try (LoadedModel model = trained()) {
      UnlearningMethod method = new HeldoutMatch(PARAMETERS);
      UnlearningTask task = task(model, uniformTargets());
      var copy = model.copyWeights(model.manager());
      UnlearningMethod.Applied applied = method.apply(task);
      double reached = distance(CrossFit.logits(model, DATA, FORGET), uniformTargets());
      model.assignWeights(copy);

      method.control(applied).apply(task);

      assertThat(method.control(applied).name()).isEqualTo("fine-tune");
      assertThat(distance(CrossFit.logits(model, DATA, FORGET), uniformTargets()))
          .isGreaterThan(2 * reached);
    }
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
    for (int row = 0; row < left.length; row += 4) {
      double[] a = logSoftmax(left, row);
      double[] b = logSoftmax(right, row);
      for (int c = 0; c < 4; c++) {
        sum += Math.abs(a[c] - b[c]);
      }
    }
    return sum / left.length;
  }

  private static double[] logSoftmax(float[] logits, int row) {
    double sum = 0;
    for (int c = 0; c < 4; c++) {
      sum += Math.exp(logits[row + c]);
    }
    double log = Math.log(sum);
    return IntStream.range(0, 4).mapToDouble(c -> logits[row + c] - log).toArray();
  }
}
