package io.lethe.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.GateThresholds;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.offline.ShownProgress;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Recipe;
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
 * Seconds of one and the same batch as a job, measuring included, with all training samples and
 * with a tenth of them; beside one epoch of training and the Fisher sums over all samples, which
 * the cache spares. The models are trained for one epoch and the targets are zeros: neither changes
 * the cost.
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
      return report(large, small, forget.length, largeSeconds, smallSeconds, fisher);
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
      double[] fisher) {
    Recipe recipe =
        EraseBench.Case.CLEAN.recipe(settings, EraseBench.Case.CLEAN.data(settings, SEED), SEED);
    double batch = Figures.median(largeSeconds);
    double retraining = large.epoch().seconds() * recipe.training().epochs();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("forgetSamples", forgetSamples);
    json.put("trainSamples", large.samples());
    json.put("fewerTrainSamples", small.samples());
    json.put("batchSeconds", batch);
    json.put("batchSecondsOfFewer", Figures.median(smallSeconds));
    json.put("ratio", batch / Figures.median(smallSeconds));
    json.put("epochSeconds", large.epoch().seconds());
    json.put("retrainingSeconds", retraining);
    json.put("retrainingOverBatch", retraining / batch);
    json.put("fisherOfAllSeconds", large.sums().seconds());
    json.put("fisherOfBatchSeconds", Figures.median(fisher));
    json.put("fisherOfAllOverBatch", large.sums().seconds() / Figures.median(fisher));
    terminal.line(
        String.format(
            Locale.ROOT,
            "  %d samples erased of %d: %.1f s, of %d: %.1f s; retraining %.0f s; Fisher sums of"
                + " the batch %.2f s, of all %.1f s",
            forgetSamples,
            large.samples(),
            batch,
            small.samples(),
            Figures.median(smallSeconds),
            retraining,
            Figures.median(fisher),
            large.sums().seconds()));
    return json;
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
