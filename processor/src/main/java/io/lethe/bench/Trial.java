package io.lethe.bench;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.JobSamples;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import io.lethe.unlearning.UnlearningResult;
import io.lethe.unlearning.UnlearningTask;
import io.lethe.unlearning.method.RandomMask;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/** One model and one forget set: every method from the same weights, on the same samples. */
final class Trial implements AutoCloseable {
  private static final double NANOS = 1e9;

  private final int[] forget;
  private final Progress progress;
  private final Yardstick yardstick;
  private final Yardstick.Measured retrained;
  private final LoadedModel model;
  private final NDManager scope;
  private final NDList weights;
  private final UnlearningTask task;
  private final double fisherSeconds;
  private final Start start;
  private final SampleDataset holdout;

  /** The row of the whole pipeline: gate, and ladder as shipped. */
  static final String LADDER = "ladder";

  /** What every method of a trial starts from. */
  record Start(Lab.Kept trained, Lab.Kept retrained, Lab.Targets targets, Lab.Sums sums) {}

  /**
   * @param forget positions in the training data
   * @param forgetClasses whole classes that they are; empty where they are single samples
   * @param parameters hyperparameters by the method's name, as JSON, where not the defaults
   */
  Trial(
      ErasureData data,
      int[] forget,
      Set<Integer> forgetClasses,
      Start start,
      Map<String, String> parameters,
      long seed,
      Terminal terminal) {
    this.forget = forget.clone();
    this.start = start;
    holdout = data.holdout();
    progress = ShownProgress.ofJob(terminal);
    yardstick = new Yardstick(data, forget, new int[0], seed);
    retrained = measured(start.retrained());
    model = LoadedModel.load(start.trained().file(), ModelFormat.DJL);
    scope = model.manager().newSubManager();
    weights = model.copyWeights(scope);
    long began = System.nanoTime();
    FisherDiagonal batch = new FisherComputer(model).sum(data.train(), forget, progress);
    fisherSeconds = (System.nanoTime() - began) / NANOS;
    JobSamples samples =
        new JobSamples(
            data.train(),
            Optional.of(holdout),
            forget,
            forgetClasses,
            new int[0],
            Optional.empty(),
            seed);
    task =
        new UnlearningTask(
            model,
            data.train(),
            this.forget,
            forgetClasses,
            samples.repairPool(),
            Optional.of(samples.unseen()),
            start.sums().sums().minus(batch),
            batch,
            Optional.of(start.targets().targets()),
            Optional.empty(),
            UnlearningPolicy.newBuilder(
                    DefaultPolicy.forShare((double) forget.length / data.train().size()))
                .setMethodParameters(parameters)
                .setLadder(ladder(forgetClasses))
                .build(),
            seed,
            progress);
  }

  private static List<String> ladder(Set<Integer> forgetClasses) {
    UnlearningPolicy policy = DefaultPolicy.get();
    return forgetClasses.isEmpty() ? policy.getLadder() : policy.getClassLadder();
  }

  /** The model as trained, and the one that was trained without the forget samples. */
  void references(ObjectNode rows) {
    rows.set("before", row(yardstick.measure(model)));
    rows.set("retrained", row(retrained));
  }

  /**
   * Applies a method and puts its row, and where it selects weights that of a random mask of the
   * same size, under their names.
   *
   * @return whether the method has what it needs
   */
  boolean run(String name, ObjectNode rows) {
    if (name.equals(LADDER)) {
      rows.set(LADDER, ladder());
      return true;
    }
    UnlearningMethod method = MethodCatalogue.installed().create(name, task.policy());
    if (method.missing(task).isPresent()) {
      return false;
    }
    UnlearningMethod.Applied applied = apply(method, name, rows);
    UnlearningMethod control = method.control(applied);
    if (control.name().equals(RandomMask.NAME) && !rows.has(RandomMask.NAME)) {
      apply(control, RandomMask.NAME, rows);
    }
    return true;
  }

  private UnlearningMethod.Applied apply(UnlearningMethod method, String name, ObjectNode rows) {
    model.assignWeights(weights);
    UnlearningMethod.Applied applied = method.apply(task);
    progress.at(JobStage.EVALUATE, 0, 1);
    ObjectNode row = row(yardstick.measure(model));
    row.put("selectedFraction", applied.selectedFraction());
    row.put("fisherSeconds", fisherSeconds);
    row.put("methodSeconds", applied.methodSeconds());
    row.put("repairSeconds", applied.repairSeconds());
    rows.set(name, row);
    model.assignWeights(weights);
    return applied;
  }

  /** What a job does with the default policy: its rungs, its gate, its measuring. */
  private ObjectNode ladder() {
    try {
      Path output = Files.createTempFile("lethe-erase", ".params");
      try {
        long began = System.nanoTime();
        UnlearningResult result =
            new UnlearningPipeline()
                .unlearn(
                    new UnlearningRequest(
                        start.trained().file(),
                        ModelFormat.DJL,
                        task.dataset(),
                        Optional.of(holdout),
                        forget,
                        new int[0],
                        start.sums().sums(),
                        start.sums().sums().zero(),
                        task.targets(),
                        Optional.empty(),
                        task.forgetClasses(),
                        Optional.empty(),
                        task.policy(),
                        task.seed(),
                        output),
                    progress);
        double seconds = (System.nanoTime() - began) / NANOS;
        try (LoadedModel released = LoadedModel.load(output, ModelFormat.DJL)) {
          ObjectNode row = row(yardstick.measure(released));
          row.put("method", result.method());
          row.put("verdict", result.verdict().name());
          row.put("jobSeconds", seconds);
          return row;
        }
      } finally {
        Files.delete(output);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private ObjectNode row(Yardstick.Measured measured) {
    ObjectNode row = measured.toJson();
    row.put("forgetGap", Math.abs(measured.forget() - retrained.forget()));
    row.put("retainGap", Math.abs(measured.retain() - retrained.retain()));
    row.put("holdoutGap", Math.abs(measured.holdout() - retrained.holdout()));
    row.put("aucGap", Math.abs(measured.auc() - retrained.auc()));
    if (!Double.isNaN(measured.changedAuc())) {
      row.put("changedAucGap", Math.abs(measured.changedAuc() - retrained.changedAuc()));
    }
    row.put("tow", measured.tow(retrained));
    return row;
  }

  private Yardstick.Measured measured(Lab.Kept kept) {
    try (LoadedModel other = LoadedModel.load(kept.file(), ModelFormat.DJL)) {
      return yardstick.measure(other);
    }
  }

  /** Trains, or finds in the cache, all that a trial starts from. */
  static Start prepare(Lab lab, Recipe recipe, ErasureData data, int[] forget, int folds) {
    int[] all = IntStream.range(0, data.train().size()).toArray();
    boolean[] gone = new boolean[all.length];
    Arrays.stream(forget).forEach(index -> gone[index] = true);
    int[] kept = Arrays.stream(all).filter(index -> !gone[index]).toArray();
    Lab.Kept trained = lab.trained("training", recipe, data.train(), all);
    Lab.Kept retrained = lab.trained("retraining", recipe, data.train(), kept);
    return new Start(
        trained,
        retrained,
        lab.targets(recipe, data, all, folds, trained),
        lab.fisher(trained, data.train(), all));
  }

  /** Positions of a forget set's samples in JSON's summary: how many, of how many. */
  static void describe(ObjectNode json, ErasureData data, List<int[]> batches) {
    json.put("trainSamples", data.train().size());
    json.put("holdoutSamples", data.holdout().size());
    json.put("changedSamples", data.changed().cardinality());
    json.put("forgetSamples", batches.stream().mapToInt(batch -> batch.length).sum());
  }

  @Override
  public void close() {
    scope.close();
    model.close();
  }
}
