package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ClassMetrics;
import io.lethe.events.Evaluation;
import io.lethe.events.Interval;
import io.lethe.model.BlockRecipe;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class EvaluatorTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=700&subjects=7&side=8");

  @Test
  void aucEqualsTheCountOverAllPairs() {
    Random random = new Random(1);
    for (int trial = 0; trial < 50; trial++) {
      // Few distinct values, so that ties are common
      double[] forget = losses(random, 1 + random.nextInt(20));
      double[] holdout = losses(random, 1 + random.nextInt(20));
      double wins = 0;
      for (double f : forget) {
        for (double h : holdout) {
          wins += f < h ? 1 : f == h ? 0.5 : 0;
        }
      }

      double auc = MembershipAuc.of(forget, holdout);

      assertThat(auc).isCloseTo(wins / (forget.length * holdout.length), within(1e-12));
    }
  }

  @Test
  void anEmptySetTellsNothing() {
    assertThat(MembershipAuc.of(new double[0], new double[] {1})).isEqualTo(0.5);
  }

  @Test
  void accuracyAndLossEqualTheSoftmaxByHand() {
    int[] samples = IntStream.range(100, 600).toArray(); // more than one minibatch
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 1)) {
      double loss = 0;
      int correct = 0;
      try (NDManager scope = model.manager().newSubManager();
          GradientMode off = GradientMode.off()) {
        NDList xy = DATA.batch(scope, samples);
        NDArray logits = model.logits(xy.get(0));
        float[] z = logits.toFloatArray();
        for (int s = 0; s < samples.length; s++) {
          int label = DATA.label(samples[s]);
          double sum = 0;
          int best = 0;
          for (int c = 0; c < 10; c++) {
            sum += Math.exp(z[s * 10 + c]);
            best = z[s * 10 + c] > z[s * 10 + best] ? c : best;
          }
          loss += Math.log(sum) - z[s * 10 + label];
          correct += best == label ? 1 : 0;
        }
      }
      Evaluator evaluator =
          new Evaluator(DATA, samples, new int[] {1, 2}, DATA, new int[] {3, 4, 5});

      Evaluation evaluation = evaluator.evaluate(model, Progress.NONE);

      assertThat(evaluation.getForget().getAccuracy()).isEqualTo(correct / 500.0);
      assertThat(evaluation.getForget().getLoss()).isCloseTo(loss / 500, within(1e-5));
      assertThat(evaluation.getForget().getSamples()).isEqualTo(500);
      assertThat(evaluation.getRetain().getSamples()).isEqualTo(2);
      assertThat(evaluation.getHoldout().getSamples()).isEqualTo(3);
    }
  }

  @Test
  void accuracyByClassAddsUpToTheWhole() {
    int[] retain = IntStream.range(0, 300).toArray();
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 1)) {
      Evaluator evaluator = new Evaluator(DATA, new int[] {301}, retain, DATA, new int[] {302});

      Evaluation evaluation = evaluator.evaluate(model, Progress.NONE);

      List<ClassMetrics> classes = evaluation.getRetain().getClasses();
      assertThat(classes.stream().mapToInt(ClassMetrics::getSamples).sum()).isEqualTo(300);
      assertThat(classes.stream().mapToDouble(c -> c.getAccuracy() * c.getSamples()).sum())
          .isCloseTo(300 * evaluation.getRetain().getAccuracy(), within(1e-9));
      for (ClassMetrics one : classes) {
        int[] own = IntStream.of(retain).filter(i -> DATA.label(i) == one.getLabel()).toArray();
        assertThat(one.getSamples()).isEqualTo(own.length);
        assertThat(one.getAccuracy()).isEqualTo(Evaluator.score(model, DATA, own).accuracy());
      }
      // A person's few samples by class would tell their labels
      assertThat(evaluation.getForget().getClasses()).isEmpty();
    }
  }

  @Test
  void theAttackTakesAsManyOfEach() {
    double[] forget = {1, 1, 1};
    double[] holdout = DoubleStream.iterate(0, v -> v + 1).limit(1000).toArray();

    Evaluator.Attack attack = Evaluator.Attack.balanced(forget, holdout);

    // Three of the thousand: the area is a multiple of 1/9 or, with a tie, of 1/18
    assertThat(attack.auc() * 18).isCloseTo(Math.rint(attack.auc() * 18), within(1e-9));
    assertThat(Evaluator.Attack.balanced(forget, holdout)).isEqualTo(attack);
  }

  @Test
  void divergenceIsThatOfTheDistributions() {
    double[] p = {Math.log(0.5), Math.log(0.5), Math.log(0.9), Math.log(0.1)};
    double[] q = {Math.log(0.25), Math.log(0.75), Math.log(0.9), Math.log(0.1)};

    double[] kl = Evaluator.divergences(p, q, 2);

    assertThat(kl[0]).isCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3.0), within(1e-12));
    assertThat(kl[1]).isZero();
  }

  @Test
  void theDivergencesIntervalIsThatOfItsMeanOverSamples() {
    int[] retain = IntStream.range(0, 50).toArray();
    Evaluator evaluator = new Evaluator(DATA, new int[] {60}, retain, DATA, new int[] {61, 62, 63});
    try (LoadedModel parent = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 1);
        LoadedModel child = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 2)) {
      Evaluator.Measured before = evaluator.measure(parent, Optional.empty(), Progress.NONE);

      Evaluation after = evaluator.measure(child, Optional.of(before), Progress.NONE).evaluation();

      double[] kl = new double[50];
      double[] p = logP(CrossFit.logits(parent, DATA, retain));
      double[] q = logP(CrossFit.logits(child, DATA, retain));
      for (int i = 0; i < p.length; i++) {
        kl[i / 10] += Math.exp(p[i]) * (p[i] - q[i]);
      }
      double mean = DoubleStream.of(kl).average().orElseThrow();
      double variance = DoubleStream.of(kl).map(v -> (v - mean) * (v - mean)).sum() / 49;
      double half = 1.959964 * Math.sqrt(variance / 50);
      assertThat(after.getRetainDivergence().orElseThrow()).isCloseTo(mean, within(1e-5));
      assertThat(half).isGreaterThan(1e-3);
      Interval interval = after.getRetainDivergenceInterval().orElseThrow();
      assertThat(interval.getLow()).isCloseTo(mean - half, within(1e-5));
      assertThat(interval.getHigh()).isCloseTo(mean + half, within(1e-5));
    }
  }

  /** Of ten classes. */
  private static double[] logP(float[] logits) {
    double[] logP = new double[logits.length];
    for (int from = 0; from < logits.length; from += 10) {
      double sum = 0;
      for (int c = from; c < from + 10; c++) {
        sum += Math.exp(logits[c]);
      }
      for (int c = from; c < from + 10; c++) {
        logP[c] = logits[c] - Math.log(sum);
      }
    }
    return logP;
  }

  @Test
  void measuresWhatChangedAgainstTheParentAndWhatEarlierBatchesErased() {
    int[] forget = IntStream.range(0, 60).toArray();
    int[] earlier = IntStream.range(0, 20).toArray();
    int[] retain = IntStream.range(60, 260).toArray();
    int[] holdout = IntStream.range(300, 500).toArray();
    Evaluator evaluator =
        new Evaluator(
            DATA,
            forget,
            retain,
            DATA,
            holdout,
            earlier,
            Optional.empty(),
            Optional.empty(),
            Evaluator.Classes.NONE);
    try (LoadedModel parent = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 1);
        LoadedModel child = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 2)) {
      Evaluator.Measured before = evaluator.measure(parent, Optional.empty(), Progress.NONE);

      Evaluator.Measured same = evaluator.measure(parent, Optional.of(before), Progress.NONE);
      Evaluator.Measured after = evaluator.measure(child, Optional.of(before), Progress.NONE);

      assertThat(before.evaluation().getRetainDivergence()).isEmpty();
      assertThat(same.evaluation().getRetainDivergence()).contains(0.0);
      assertThat(after.evaluation().getRetainDivergence().orElseThrow()).isPositive();
      assertThat(after.evaluation().getEarlier().orElseThrow())
          .isEqualTo(Evaluator.score(child, DATA, earlier).metrics());
      assertThat(after.evaluation().getEarlierMembershipAucInterval()).isPresent();
      assertThat(Tow.between(before, before).value()).isEqualTo(1);
      double tow =
          (1 - gap(before.forget(), after.forget()))
              * (1 - gap(before.retain(), after.retain()))
              * (1 - gap(before.holdout(), after.holdout()));
      Tow between = Tow.between(before, after);
      assertThat(between.value()).isCloseTo(tow, within(1e-12));
      assertThat(between.interval().getLow()).isLessThan(tow);
      assertThat(between.interval().getHigh()).isGreaterThan(tow - 0.05);
    }
  }

  @Test
  void targetsSayWhatIsExpectedOfForgetSamples() {
    int[] forget = {0, 1, 2};
    float[] logits = new float[30];
    logits[DATA.label(0)] = 5; // right
    logits[10 + (DATA.label(1) + 1) % 10] = 5; // wrong
    Evaluator evaluator =
        new Evaluator(
            DATA,
            forget,
            new int[] {4},
            DATA,
            new int[] {5},
            new int[0],
            Optional.empty(),
            Optional.of(HeldOutTargets.of(10, forget, logits)),
            Evaluator.Classes.NONE);
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 9), 1)) {
      Evaluator.Scores expected =
          evaluator
              .measure(model, Optional.empty(), Progress.NONE)
              .expected()
              .orElseThrow()
              .scores();

      double sum = Math.log(9 + Math.exp(5));
      assertThat(expected.losses())
          .containsExactly(new double[] {sum - 5, sum, Math.log(10)}, within(1e-12));
      assertThat(expected.hits()[0]).isTrue();
      assertThat(expected.hits()[1]).isFalse();
    }
  }

  @Test
  void relearningTakesLongerTheLessIsKnownAndLeavesTheWeights() {
    int[] forget = IntStream.range(0, 40).toArray();
    TrainingRecipe recipe = new TrainingRecipe(40, 8, 0.01, TrainingRecipe.Schedule.CONSTANT, 0, 1);
    try (LoadedModel knows = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 64), 1);
        LoadedModel ignorant = LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 10, 64), 1)) {
      new Trainer(recipe).train(knows, DATA, forget, Progress.NONE);
      float[] weights = ignorant.weights().get(0).array().toFloatArray();

      Relearning.Time none = Relearning.time(knows, DATA, forget, 1, Progress.NONE);
      Relearning.Time many = Relearning.time(ignorant, DATA, forget, 1, Progress.NONE);

      assertThat(none.steps()).isZero();
      assertThat(many.steps()).isGreaterThan(5);
      // Of 40 samples, all of them right, Wilson's lower end is .912: never surely 95 %.
      assertThat(none.interval()).isEqualTo(new Interval(0.0, 51.0));
      assertThat(many.interval().getLow()).isBetween(1.0, (double) many.steps());
      assertThat(many.interval().getHigh()).isEqualTo(51.0);
      assertThat(ignorant.weights().get(0).array().toFloatArray()).containsExactly(weights);
    }
  }

  @Test
  void ofManySamplesTheRelearnTimesIntervalBeginsWhereTheShareMayBeReached() {
    SampleDataset clean = Datasets.open("synthetic:digits?samples=200&subjects=7&side=8&noise=0");
    int[] forget = IntStream.range(0, 200).toArray();
    try (LoadedModel model = LoadedModel.create(BlockRecipe.mlp(clean.sampleShape(), 10, 256), 1)) {
      TrainingRecipe recipe =
          new TrainingRecipe(1, 32, 1e-3, TrainingRecipe.Schedule.CONSTANT, 0, 1);
      while (Evaluator.score(model, clean, forget).accuracy() < 0.92) {
        new Trainer(recipe).train(model, clean, forget, Progress.NONE);
      }

      Relearning.Time time = Relearning.time(model, clean, forget, 1, Progress.NONE);

      // 184 of 200 right are 92 %, by Wilson's interval 87 to 95 %: perhaps there from the start.
      assertThat(time.interval().getLow()).isZero();
      assertThat(time.steps()).isBetween(1, 50);
      assertThat(time.interval().getHigh()).isGreaterThan(time.steps());
    }
  }

  private static double gap(Evaluator.Scores one, Evaluator.Scores other) {
    return Math.abs(one.accuracy() - other.accuracy());
  }

  private static double[] losses(Random random, int count) {
    return DoubleStream.generate(() -> random.nextInt(6)).limit(count).toArray();
  }
}
