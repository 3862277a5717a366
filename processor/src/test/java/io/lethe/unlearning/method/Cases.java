package io.lethe.unlearning.method;

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
import io.lethe.unlearning.Retraining;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/** A small network that knows its samples by heart, and tasks on it. */
final class Cases {
  static final String URI =
      "synthetic:digits?samples=400&subjects=20&side=8&classes=4&noise=0.15&test=200&seed=5";
  static final SampleDataset DATA = Datasets.open(URI);
  static final SampleDataset TEST = Datasets.open(URI + "#test");
  static final int[] FORGET = IntStream.range(0, 40).toArray();
  static final int[] RETAIN = IntStream.range(40, 400).toArray();
  static final TrainingRecipe RECIPE =
      new TrainingRecipe(40, 32, 0.01, TrainingRecipe.Schedule.ONE_CYCLE, 0, 1);

  private Cases() {}

  static LoadedModel untrained() {
    return LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), 4, 8, 12, 32), 1);
  }

  /** Knows all samples, wrong labels included. */
  static LoadedModel trained() {
    LoadedModel model = untrained();
    new Trainer(RECIPE).train(model, DATA, IntStream.range(0, 400).toArray(), Progress.NONE);
    return model;
  }

  static UnlearningPolicy policy() {
    return UnlearningPolicy.newBuilder()
        .setDeepclean(
            DeepCleanParameters.newBuilder()
                .setQuantile(0.2)
                .setReservoirSamples(300)
                .setRepairEpochs(4)
                .setRepairBatch(32)
                .build())
        .setGate(GateThresholds.newBuilder().build())
        .build();
  }

  /** With held-out targets, which four trainings make. */
  static UnlearningTask withTargets(UnlearningTask task) {
    HeldOutTargets targets =
        new CrossFit(Cases::untrained, RECIPE, 4)
            .run(
                DATA,
                Sampling.complement(400),
                i -> DATA.subject(i).orElseThrow(),
                1,
                Progress.NONE);
    return new UnlearningTask(
        task.model(),
        task.dataset(),
        task.forget(),
        task.forgetClasses(),
        task.repairPool(),
        task.unseen(),
        task.retainSums(),
        task.erasedSums(),
        Optional.of(targets),
        task.retraining(),
        task.policy(),
        task.seed(),
        task.progress());
  }

  /** Forty records, with everything that a method may need but held-out targets. */
  static UnlearningTask records(LoadedModel model) {
    return task(model, FORGET, RETAIN, Set.of());
  }

  /** A whole class whose samples the dataset still has. */
  static UnlearningTask wholeClass(LoadedModel model, int label) {
    int[] forget = IntStream.range(0, 400).filter(i -> DATA.label(i) == label).toArray();
    return task(model, forget, Sampling.complement(400, forget), Set.of(label));
  }

  static UnlearningTask task(
      LoadedModel model, int[] forget, int[] retain, Set<Integer> forgetClasses) {
    FisherComputer fisher = new FisherComputer(model);
    FisherDiagonal retained = fisher.sum(DATA, retain, Progress.NONE);
    int[] unseen =
        IntStream.range(0, TEST.size())
            .filter(i -> !forgetClasses.contains(TEST.label(i)))
            .toArray();
    return new UnlearningTask(
        model,
        DATA,
        forget,
        forgetClasses,
        retain,
        Optional.of(new SampleSet(TEST, unseen)),
        retained,
        fisher.sum(DATA, forget, Progress.NONE),
        Optional.empty(),
        Optional.of(new Retraining(Cases::untrained, RECIPE)),
        policy(),
        1,
        Progress.NONE);
  }

  static double accuracy(LoadedModel model, int[] samples) {
    return Evaluator.score(model, DATA, samples).metrics().getAccuracy();
  }

  static double loss(LoadedModel model, int[] samples) {
    return Evaluator.score(model, DATA, samples).metrics().getLoss();
  }

  /** Accuracy on test samples of a class. */
  static double testAccuracy(LoadedModel model, int label) {
    int[] samples = IntStream.range(0, TEST.size()).filter(i -> TEST.label(i) == label).toArray();
    return Evaluator.score(model, TEST, samples).metrics().getAccuracy();
  }

  static List<float[]> weights(LoadedModel model) {
    List<float[]> weights = new ArrayList<>();
    model.weights().forEach(weight -> weights.add(weight.array().toFloatArray()));
    return weights;
  }
}
