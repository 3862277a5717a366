package io.lethe.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.GateThresholds;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.LoadedModel;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import io.lethe.unlearning.UnlearningResult;
import io.lethe.unlearning.method.HeldoutMatch;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Seconds of one and the same batch as a job, control and measuring included, with all training
 * samples and with a tenth of them; beside training anew and the Fisher sums over all samples,
 * which the cache spares. The models are trained for one epoch and the targets are zeros, which no
 * model comes near: every step that the policy allows is taken, as on memorised labels.
 *
 * <p>Of the cases that are named beside it, the job is also timed as it is run: the model trained
 * by the case's recipe, its held-out targets, the default policy and its gate.
 *
 * <p>Training anew is an epoch, timed here, times the epochs of the case's recipe, as it needs to
 * be right on 99.5 % of what it was trained on; how many that is of a trained model is told.
 */
final class CostBench {
  private static final int ROUNDS = 3;
  private static final long SEED = 1;

  private final EraseBench.Settings settings;
  private final Terminal terminal;
  private final Lab lab;

  CostBench(EraseBench.Settings settings, Lab lab, Terminal terminal) {
    this.settings = settings;
    this.lab = lab;
    this.terminal = terminal;
  }

  private record Job(UnlearningRequest request, Lab.Kept epoch, Lab.Sums sums, int samples) {}

  ObjectNode run() throws IOException {
    ErasureData whole = EraseBench.Case.CLEAN.data(settings, SEED);
    int[] forget = whole.batches(1, settings.subjects(), SEED).get(0);
    Path folder = Files.createTempDirectory("lethe-cost");
    try {
      Path output = folder.resolve("model");
      Job large = job(whole, forget, output);
      Job small = job(tenth(whole, forget), IntStream.range(0, forget.length).toArray(), output);
      double[] largeSeconds = new double[ROUNDS];
      double[] smallSeconds = new double[ROUNDS];
      double[] fisher = new double[ROUNDS];
      for (int round = -1; round < ROUNDS; round++) { // the first warms up
        double one = seconds(small.request());
        UnlearningResult[] result = new UnlearningResult[1];
        double other = seconds(large.request(), result);
        if (round >= 0) {
          smallSeconds[round] = one;
          largeSeconds[round] = other;
          fisher[round] = result[0].seconds().getFisher();
        }
      }
      double epoch = epochSeconds(whole);
      ObjectNode json =
          report(large, small, forget.length, largeSeconds, smallSeconds, fisher, epoch);
      ObjectNode jobs = json.putObject("jobs");
      for (EraseBench.Case kind : List.of(EraseBench.Case.CLEAN, EraseBench.Case.CHANGED)) {
        if (settings.cases().contains(kind.label())) {
          jobs.set(kind.label(), asShipped(kind, output, epoch));
        }
      }
      return json;
    } finally {
      Files.deleteIfExists(folder.resolve("model"));
      Files.delete(folder);
    }
  }

  private ObjectNode report(
      Job large,
      Job small,
      int forgetSamples,
      double[] largeSeconds,
      double[] smallSeconds,
      double[] fisher,
      double epoch) {
    double batch = Figures.median(largeSeconds);
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("forgetSamples", forgetSamples);
    json.put("trainSamples", large.samples());
    json.put("fewerTrainSamples", small.samples());
    json.put("batchSeconds", batch);
    json.put("batchSecondsOfFewer", Figures.median(smallSeconds));
    json.put("ratio", batch / Figures.median(smallSeconds));
    json.put("epochSeconds", epoch);
    ObjectNode retraining = json.putObject("retraining");
    for (EraseBench.Case kind : List.of(EraseBench.Case.CLEAN, EraseBench.Case.CHANGED)) {
      int epochs = kind.recipe(settings, kind.data(settings, SEED), SEED).training().epochs();
      ObjectNode of = retraining.putObject(kind.label());
      of.put("epochs", epochs);
      of.put("seconds", epochs * epoch);
      of.put("overBatch", epochs * epoch / batch);
    }
    json.put("fisherOfAllSeconds", large.sums().seconds());
    json.put("fisherOfBatchSeconds", Figures.median(fisher));
    json.put("fisherOfAllOverBatch", large.sums().seconds() / Figures.median(fisher));
    terminal.line(
        String.format(
            Locale.ROOT,
            "  %d samples erased of %d: %.1f s, of %d: %.1f s; an epoch %.1f s; Fisher sums of the"
                + " batch %.2f s, of all %.1f s",
            forgetSamples,
            large.samples(),
            batch,
            small.samples(),
            Figures.median(smallSeconds),
            epoch,
            Figures.median(fisher),
            large.sums().seconds()));
    return json;
  }

  /** One epoch of training on all samples; the faster of two, as the first warms up. */
  private double epochSeconds(ErasureData data) {
    Recipe recipe = EraseBench.Case.CLEAN.recipe(settings, data, SEED).withEpochs(1);
    int[] all = IntStream.range(0, data.train().size()).toArray();
    double fastest = Double.POSITIVE_INFINITY;
    for (int round = 0; round < 2; round++) {
      try (LoadedModel model = recipe.init().create(SEED)) {
        long began = System.nanoTime();
        new Trainer(recipe.training()).train(model, data.train(), all, Progress.NONE);
        fastest = Math.min(fastest, (System.nanoTime() - began) * 1e-9);
      }
    }
    return fastest;
  }

  /** The job of a case, with everything that it has when it is run. */
  private ObjectNode asShipped(EraseBench.Case kind, Path output, double epoch) {
    ErasureData data = kind.data(settings, SEED);
    int[] forget = kind.forget(data, settings.subjects(), SEED);
    Recipe recipe = kind.recipe(settings, data, SEED);
    Trial.Start start = Trial.prepare(lab, recipe, data, forget, settings.folds());
    UnlearningRequest request =
        new UnlearningRequest(
            start.trained().file(),
            ModelFormat.DJL,
            data.train(),
            Optional.of(data.holdout()),
            forget,
            new int[0],
            start.sums().sums(),
            start.sums().sums().zero(),
            Optional.of(start.targets().targets()),
            UnlearningPolicy.newBuilder(
                    DefaultPolicy.forShare((double) forget.length / data.train().size()))
                .setMethodParameters(settings.parameters())
                .build(),
            SEED,
            output);
    double[] seconds = new double[ROUNDS];
    double[] control = new double[ROUNDS];
    UnlearningResult[] result = new UnlearningResult[1];
    for (int round = -1; round < ROUNDS; round++) { // the first warms up
      double one = seconds(request, result);
      if (round >= 0) {
        seconds[round] = one;
        control[round] = result[0].controlSeconds();
      }
    }
    double job = Figures.median(seconds);
    double without = job - Figures.median(control);
    double retraining = recipe.training().epochs() * epoch;
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("method", result[0].method());
    json.put("verdict", result[0].verdict().name());
    json.put("jobSeconds", job);
    json.put("controlSeconds", Figures.median(control));
    ObjectNode stages = json.putObject("secondsOfLast");
    stages.put("fisher", result[0].seconds().getFisher());
    stages.put("method", result[0].seconds().getMethod());
    stages.put("repair", result[0].seconds().getRepair());
    stages.put("evaluate", result[0].seconds().getEvaluate());
    json.put("trainAccuracy", accuracy(start.trained(), data.train(), new int[0]));
    json.put("retrainedTrainAccuracy", accuracy(start.retrained(), data.train(), forget));
    json.put("epochs", recipe.training().epochs());
    json.put("retrainingSeconds", retraining);
    json.put("retrainingOverJob", retraining / job);
    json.put("retrainingOverJobWithoutControl", retraining / without);
    terminal.line(
        String.format(
            Locale.ROOT,
            "  %s: a job %.2f s, without its control %.2f s; retraining, %d epochs, %.0f s: %.0f"
                + " and %.0f times as long",
            kind.label(),
            job,
            without,
            recipe.training().epochs(),
            retraining,
            retraining / job,
            retraining / without));
    return json;
  }

  private static double accuracy(Lab.Kept kept, SampleDataset data, int[] without) {
    boolean[] gone = new boolean[data.size()];
    Arrays.stream(without).forEach(index -> gone[index] = true);
    try (LoadedModel model = LoadedModel.load(kept.file(), ModelFormat.DJL)) {
      return Evaluator.score(
              model, data, IntStream.range(0, gone.length).filter(i -> !gone[i]).toArray())
          .accuracy();
    }
  }

  private Job job(ErasureData data, int[] forget, Path output) {
    int[] all = IntStream.range(0, data.train().size()).toArray();
    Recipe recipe = EraseBench.Case.CLEAN.recipe(settings, data, SEED).withEpochs(1);
    Lab.Kept epoch = lab.trained("one epoch", recipe, data.train(), all);
    Lab.Sums sums = lab.fisher(epoch, data.train(), all);
    GateThresholds open =
        GateThresholds.newBuilder()
            .setMaxRetainDrop(1)
            .setMaxHoldoutDrop(1)
            .setMaxForgetGap(1.0)
            .setMaxMembershipGap(1.0)
            .build();
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(DefaultPolicy.forShare((double) forget.length / all.length))
            .setLadder(List.of(HeldoutMatch.NAME))
            .setMethodParameters(settings.parameters())
            .setGate(open)
            .build();
    UnlearningRequest request =
        new UnlearningRequest(
            epoch.file(),
            ModelFormat.DJL,
            data.train(),
            Optional.of(data.holdout()),
            forget,
            new int[0],
            sums.sums(),
            sums.sums().zero(),
            Optional.of(
                HeldOutTargets.of(
                    data.train().classes(),
                    forget,
                    new float[forget.length * data.train().classes()])),
            policy,
            SEED,
            output);
    return new Job(request, epoch, sums, all.length);
  }

  /** The forget samples first, then others up to a tenth of all. */
  private static ErasureData tenth(ErasureData whole, int[] forget) {
    boolean[] gone = new boolean[whole.train().size()];
    Arrays.stream(forget).forEach(index -> gone[index] = true);
    int[] kept =
        IntStream.concat(
                Arrays.stream(forget),
                IntStream.range(0, gone.length).filter(index -> !gone[index]))
            .limit(Math.max(2L * forget.length, gone.length / 10))
            .toArray();
    return new ErasureData(
        new RelabelledDataset(
            whole.train(),
            kept,
            Arrays.stream(kept).map(whole.train()::label).toArray(),
            new String[kept.length]),
        whole.holdout(),
        whole.changed(),
        whole.holdoutChanged(),
        whole.subjects());
  }

  private double seconds(UnlearningRequest request, UnlearningResult... result) {
    long began = System.nanoTime();
    UnlearningResult own = new UnlearningPipeline().unlearn(request, ShownProgress.ofJob(terminal));
    double seconds = (System.nanoTime() - began) * 1e-9;
    if (result.length > 0) {
      result[0] = own;
    }
    return seconds;
  }
}
