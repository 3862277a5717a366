package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDList;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.GateThresholds;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DeepCleanTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=120&subjects=6&side=8");

  @Test
  void theRatioComparesMeansNotSums() {
    // 2 erased samples against 8 retained: the means are e / 2 and r / 8.
    float[][] ratios =
        DeepClean.ratios(diagonal(8, 4f, 1f, 0f, 0f, 3f), diagonal(2, 1f, 0f, 0f, 5f, 6f));

    assertThat(ratios[0]).containsExactly(1f, 0f, 0f, Float.POSITIVE_INFINITY, 8f);
  }

  @Test
  void anAbsoluteThresholdSelectsWhatExceedsIt() {
    List<BitSet> selection = DeepClean.above(new float[][] {{1f, 2f}, {3f}}, 2.0);

    assertThat(selection).containsExactly(new BitSet(), bits(0));
  }

  @Test
  void aQuantileSelectsThatShareOverAllTensorsAndBreaksTiesInOrder() {
    float[][] ratios = {{5f, 1f, 3f}, {3f, 3f, Float.POSITIVE_INFINITY, 0f}};

    assertThat(DeepClean.highest(ratios, 3.0 / 7)).containsExactly(bits(0, 2), bits(2));
    assertThat(DeepClean.highest(ratios, 1.0 / 7)).containsExactly(bits(), bits(2));
    assertThat(DeepClean.highest(ratios, 0.99)).containsExactly(bits(0, 1, 2), bits(0, 1, 2));
  }

  @Test
  void changesOnlySelectedWeightsAndNoStatistics() {
    try (LoadedModel model = trained()) {
      List<float[]> before = weights(model);
      List<float[]> statistics =
          model.buffers().stream().map(buffer -> buffer.array().toFloatArray()).toList();
      UnlearningTask task = task(model, quantile(0.1));
      List<BitSet> expected =
          DeepClean.highest(DeepClean.ratios(task.retainSums(), task.erasedSums()), 0.1);

      UnlearningMethod.Applied applied = new DeepClean().apply(task);

      assertThat(applied.selectedFraction())
          .isEqualTo(
              (double) expected.stream().mapToInt(BitSet::cardinality).sum()
                  / task.retainSums().size());
      List<float[]> after = weights(model);
      int changed = 0;
      for (int t = 0; t < after.size(); t++) {
        for (int i = 0; i < after.get(t).length; i++) {
          boolean same =
              Float.floatToRawIntBits(before.get(t)[i]) == Float.floatToRawIntBits(after.get(t)[i]);
          assertThat(same || expected.get(t).get(i)).isTrue();
          changed += same ? 0 : 1;
        }
      }
      assertThat(changed).isGreaterThan(0);
      assertThat(model.buffers().stream().map(buffer -> buffer.array().toFloatArray()).toList())
          .usingRecursiveComparison()
          .isEqualTo(statistics);
    }
  }

  @Test
  void withoutRepairTheSelectedWeightsAreZero() {
    try (LoadedModel model = trained()) {
      UnlearningTask task = task(model, quantile(0.2).setRepairEpochs(0));
      List<BitSet> expected =
          DeepClean.highest(DeepClean.ratios(task.retainSums(), task.erasedSums()), 0.2);

      new DeepClean().apply(task);

      List<float[]> after = weights(model);
      for (int t = 0; t < after.size(); t++) {
        float[] tensor = after.get(t);
        assertThat(expected.get(t).stream().mapToObj(i -> tensor[i])).allMatch(w -> w == 0);
      }
    }
  }

  @Test
  void theControlSelectsAsManyWeightsPerTensorButOthers() {
    try (LoadedModel model = trained()) {
      UnlearningTask task = task(model, quantile(0.2).setRepairEpochs(0));
      UnlearningMethod method = new DeepClean();
      List<float[]> before = weights(model);
      var copy = model.copyWeights(model.manager());
      UnlearningMethod.Applied applied = method.apply(task);
      List<float[]> cleaned = weights(model);
      model.assignWeights(copy);

      UnlearningMethod.Applied control = method.control(applied).apply(task);

      assertThat(control.selected()).isEqualTo(applied.selected());
      List<float[]> random = weights(model);
      for (int t = 0; t < before.size(); t++) {
        assertThat(zeros(random.get(t))).isGreaterThanOrEqualTo(applied.selected().get(t));
      }
      assertThat(random).usingRecursiveComparison().isNotEqualTo(cleaned);
    }
  }

  @Test
  void refusesParametersThatContradictThemselves() {
    try (LoadedModel model = trained()) {
      assertThatThrownBy(() -> new DeepClean().apply(task(model, quantile(0.1).setGamma(2.0))))
          .isInstanceOf(UnlearningException.class)
          .hasMessage("deepclean takes either gamma, quantile or a search");
      assertThatThrownBy(() -> new DeepClean().apply(task(model, quantile(1.5))))
          .isInstanceOf(UnlearningException.class)
          .hasMessageContaining("a quantile between 0 and 1");
    }
  }

  @Test
  void aSearchMeasuresAtMostItsTrialsAndChoosesTheSmallestGapOfThoseThatKeepTheRest() {
    try (LoadedModel model = Cases.trained()) {
      NDList anchor = model.copyWeights(model.manager());
      UnlearningTask task = searching(Cases.records(model), 6, 0.05);

      UnlearningMethod.Applied applied = new DeepClean().apply(task);

      List<UnlearningMethod.Trial> trials = applied.trials();
      assertThat(trials).hasSize(6);
      UnlearningMethod.Trial chosen =
          trials.stream().filter(UnlearningMethod.Trial::chosen).findFirst().orElseThrow();
      assertThat(trials).filteredOn(UnlearningMethod.Trial::chosen).hasSize(1);
      assertThat(chosen.retainDrop()).isLessThanOrEqualTo(0.05);
      assertThat(trials)
          .filteredOn(UnlearningMethod.Trial::kept)
          .allMatch(trial -> Math.abs(trial.forgetGap()) >= Math.abs(chosen.forgetGap()));
      assertThat(applied.selectedFraction()).isEqualTo(chosen.share(), within(0.001));
      // A trial's gap is that of the weights at its share set to zero, before any repair.
      model.assignWeights(anchor);
      new MaskedRepair(task, DeepClean.Parameters.of(task.policy()))
          .zero(
              DeepClean.highest(
                  DeepClean.ratios(task.retainSums(), task.erasedSums()), chosen.share()));
      double unseen =
          Evaluator.score(model, Cases.TEST, task.unseen().orElseThrow().positions())
              .metrics()
              .getLoss();
      assertThat(chosen.forgetGap())
          .isEqualTo(Cases.loss(model, Cases.FORGET) - unseen, within(1e-9));
    }
  }

  @Test
  void towardHeldOutTargetsTheRepairEndsNearerToThemThanTowardLabels() {
    float[] wanted = new float[Cases.FORGET.length * 4]; // as likely as not: all classes alike
    double[] divergences = new double[2];
    for (int toward = 0; toward < 2; toward++) {
      try (LoadedModel model = Cases.trained()) {
        UnlearningTask records = Cases.records(model);
        DeepCleanParameters parameters =
            DeepCleanParameters.newBuilder(records.policy().getDeepclean())
                .setRepairEpochs(10)
                .setTowardTargets(toward == 1)
                .build();
        UnlearningTask task =
            with(records, parameters, Optional.of(HeldOutTargets.of(4, Cases.FORGET, wanted)));

        new DeepClean().apply(task);

        divergences[toward] = fromUniform(CrossFit.logits(model, Cases.DATA, Cases.FORGET));
      }
    }
    assertThat(divergences[1]).isLessThan(0.9 * divergences[0]); // .77 where this was written
  }

  /** Mean KL of the model's from uniform probabilities of four classes. */
  private static double fromUniform(float[] logits) {
    double sum = 0;
    for (int row = 0; row < logits.length; row += 4) {
      double total = 0;
      double mean = 0;
      for (int c = 0; c < 4; c++) {
        total += Math.exp(logits[row + c]);
        mean += logits[row + c] / 4;
      }
      sum += Math.log(total / 4) - mean;
    }
    return sum / (logits.length / 4);
  }

  @Test
  void towardTargetsItNeedsThem() {
    try (LoadedModel model = Cases.untrained()) {
      UnlearningTask records = Cases.records(model);
      DeepCleanParameters parameters =
          DeepCleanParameters.newBuilder(records.policy().getDeepclean())
              .setTowardTargets(true)
              .build();

      assertThat(new DeepClean().missing(with(records, parameters, Optional.empty())))
          .contains("held-out targets of all forget samples");
    }
  }

  private static UnlearningTask searching(UnlearningTask task, int trials, double drop) {
    return with(
        task,
        DeepCleanParameters.newBuilder(task.policy().getDeepclean())
            .setQuantile(null)
            .setSearchTrials(trials)
            .setSearchMaxRetainDrop(drop)
            .build(),
        task.targets());
  }

  private static UnlearningTask with(
      UnlearningTask task, DeepCleanParameters parameters, Optional<HeldOutTargets> targets) {
    return new UnlearningTask(
        task.model(),
        task.dataset(),
        task.forget(),
        task.forgetClasses(),
        task.repairPool(),
        task.unseen(),
        task.retainSums(),
        task.erasedSums(),
        targets,
        task.retraining(),
        UnlearningPolicy.newBuilder(task.policy()).setDeepclean(parameters).build(),
        task.seed(),
        task.progress());
  }

  private static long zeros(float[] values) {
    return IntStream.range(0, values.length).filter(i -> values[i] == 0).count();
  }

  private static LoadedModel trained() {
    LoadedModel model = LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 10, 4, 5, 6), 1);
    new Trainer(new TrainingRecipe(2, 16, 0.01, TrainingRecipe.Schedule.ONE_CYCLE, 0, 1))
        .train(model, DATA, IntStream.range(0, 120).toArray(), Progress.NONE);
    return model;
  }

  private static UnlearningTask task(LoadedModel model, DeepCleanParameters.Builder parameters) {
    int[] forget = IntStream.range(0, 20).toArray();
    int[] retain = IntStream.range(20, 120).toArray();
    FisherComputer fisher = new FisherComputer(model);
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder()
            .setDeepclean(parameters.build())
            .setGate(GateThresholds.newBuilder().build())
            .build();
    return new UnlearningTask(
        model,
        DATA,
        forget,
        retain,
        fisher.sum(DATA, retain, Progress.NONE),
        fisher.sum(DATA, forget, Progress.NONE),
        Optional.empty(),
        policy,
        1,
        Progress.NONE);
  }

  private static DeepCleanParameters.Builder quantile(double share) {
    return DeepCleanParameters.newBuilder()
        .setQuantile(share)
        .setReservoirSamples(60)
        .setRepairEpochs(2)
        .setRepairBatch(16);
  }

  private static List<float[]> weights(LoadedModel model) {
    List<float[]> weights = new ArrayList<>();
    model.weights().forEach(weight -> weights.add(weight.array().toFloatArray()));
    return weights;
  }

  private static FisherDiagonal diagonal(long samples, float... values) {
    return new FisherDiagonal(
        List.of(new FisherDiagonal.Tensor("w", List.of((long) values.length), values)), samples);
  }

  private static BitSet bits(int... positions) {
    BitSet bits = new BitSet();
    IntStream.of(positions).forEach(bits::set);
    return bits;
  }
}
