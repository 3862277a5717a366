package io.lethe.offline;

import io.lethe.dataset.SampleDataset;
import io.lethe.events.GateThresholds;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.LoadedModel;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.ShadowScores;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.UnlearningPipeline;
import io.lethe.unlearning.UnlearningRequest;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Trains pairs of shadow models by one recipe: one of each on everything and then unlearned from,
 * the other without the forget samples. All have seeds of their own.
 *
 * @param count pairs, at least 2
 * @param forget positions in {@code dataset}
 * @param ladder methods that unlearn
 */
@SuppressWarnings("ArrayRecordComponent") // lives for one command
public record Shadows(
    int count,
    Recipe recipe,
    SampleDataset dataset,
    Optional<SampleDataset> holdout,
    int[] forget,
    Optional<HeldOutTargets> targets,
    List<String> ladder,
    long seed) {
  /** Samples of the retain and of the holdout set whose margins are compared at most. */
  private static final int COMPARED = 500;

  /** Trains and compares. */
  public ShadowScores run(Terminal terminal) {
    int[] all = IntStream.range(0, dataset.size()).toArray();
    boolean[] gone = new boolean[all.length];
    Arrays.stream(forget).forEach(index -> gone[index] = true);
    int[] kept = Arrays.stream(all).filter(index -> !gone[index]).toArray();
    Gathered unlearned = new Gathered(kept);
    Gathered retrained = new Gathered(kept);
    try {
      Path folder = Files.createTempDirectory("lethe-shadow");
      try {
        for (int k = 0; k < count; k++) {
          String what = "shadow %d of %d".formatted(k + 1, count);
          Path trained = folder.resolve("trained");
          Path forgot = folder.resolve("unlearned");
          ModelFormat format = train(what, all, 2L * k, trained, terminal);
          unlearn(trained, format, forgot, k, terminal);
          unlearned.add(k, forgot, format);
          train(what + ", retrained", kept, 2L * k + 1, trained, terminal);
          retrained.add(k, trained, format);
          Files.delete(trained);
          Files.delete(forgot);
        }
      } finally {
        delete(folder);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return ShadowScores.between(unlearned.margins(), retrained.margins());
  }

  private ModelFormat train(String what, int[] samples, long stream, Path file, Terminal terminal) {
    Recipe own = recipe.withSeed(recipe.training().seed() + 1 + stream);
    try (LoadedModel model = own.init().create(own.training().seed())) {
      new Trainer(own.training())
          .train(
              model,
              dataset,
              samples,
              ShownProgress.ofTraining(terminal, what, own.training().batch()));
      model.write(file);
      return model.format();
    }
  }

  private void unlearn(Path trained, ModelFormat format, Path output, int k, Terminal terminal) {
    ShownProgress progress = ShownProgress.ofJob(terminal);
    UnlearningPipeline pipeline = new UnlearningPipeline();
    UnlearningPipeline.Anchor anchor =
        pipeline.anchor(trained, format, dataset, new int[0], progress);
    GateThresholds open =
        GateThresholds.newBuilder()
            .setMaxRetainDrop(1)
            .setMaxHoldoutDrop(1)
            .setMaxForgetGap(1.0)
            .setMaxMembershipGap(1.0)
            .build();
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(DefaultPolicy.forShare((double) forget.length / dataset.size()))
            .setLadder(ladder)
            .setGate(open)
            .build();
    pipeline.unlearn(
        new UnlearningRequest(
            trained,
            format,
            dataset,
            holdout,
            forget,
            new int[0],
            anchor.sums(),
            anchor.sums().zero(),
            targets,
            policy,
            seed + k,
            output),
        progress);
  }

  /** Margins of one side's models. */
  private final class Gathered {
    private final SampleDataset unseen = holdout.orElse(dataset);
    private final int[] retainSamples;
    private final int[] holdoutSamples;
    private final double[][] forgetMargins = new double[count][];
    private final double[][] retainMargins = new double[count][];
    private final double[][] holdoutMargins = new double[count][];
    private double retainAccuracy;
    private double holdoutAccuracy;

    Gathered(int[] kept) {
      retainSamples = spread(kept);
      holdoutSamples =
          holdout
              .map(data -> spread(IntStream.range(0, data.size()).toArray()))
              .orElse(retainSamples);
    }

    /** Every n-th. */
    private int[] spread(int[] samples) {
      int step = Math.max(1, samples.length / COMPARED);
      return IntStream.range(0, samples.length)
          .filter(i -> i % step == 0)
          .map(i -> samples[i])
          .toArray();
    }

    void add(int k, Path file, ModelFormat format) {
      try (LoadedModel model = LoadedModel.load(file, format)) {
        forgetMargins[k] = ShadowScores.margins(model, dataset, forget);
        retainMargins[k] = ShadowScores.margins(model, dataset, retainSamples);
        holdoutMargins[k] = ShadowScores.margins(model, unseen, holdoutSamples);
        retainAccuracy += Evaluator.score(model, dataset, retainSamples).accuracy() / count;
        holdoutAccuracy += Evaluator.score(model, unseen, holdoutSamples).accuracy() / count;
      }
    }

    ShadowScores.Margins margins() {
      return new ShadowScores.Margins(
          forgetMargins, retainMargins, holdoutMargins, retainAccuracy, holdoutAccuracy);
    }
  }

  private static void delete(Path folder) throws IOException {
    for (String name : List.of("trained", "unlearned")) {
      Files.deleteIfExists(folder.resolve(name));
    }
    Files.delete(folder);
  }
}
