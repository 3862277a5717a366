package io.lethe.bench;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.ModelFormat;
import io.lethe.events.UnlearningPolicy;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Activations;
import io.lethe.unlearning.DefaultPolicy;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.UnlearningTask;
import io.lethe.unlearning.method.HeldoutMatch;
import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Many batches one after the other by held-out matching: does the holdout accuracy erode, and does
 * what was erased come back? Anchored, each release starts from the model as trained and forgets
 * all that was erased since; chained, from the release before and forgets its own batch alone; as
 * shipped, anchored, and once more was erased since the anchor than the default policy's share the
 * model is trained anew on what is left, which is the next anchor with targets of its own. Compared
 * at the end, and on the way where wanted, with a model that was retrained on what is left.
 */
public final class SequenceBench {
  private final Settings settings;
  private final Terminal terminal;
  private final Lab lab;

  /**
   * @param erase data, folds, seeds, cache; its cases name the data: clean or changed
   * @param batches how many
   * @param checkpoints how often, evenly spread, a model is retrained to compare with; ≥ 1, the
   *     last after the last batch
   * @param modes to run
   */
  public record Settings(
      EraseBench.Settings erase, int batches, int checkpoints, List<Mode> modes) {
    public Settings {
      modes = List.copyOf(modes);
      if (batches < 1 || checkpoints < 1 || checkpoints > batches) {
        throw new IllegalArgumentException(
            "a sequence takes at least one batch, and one to as many checkpoints");
      }
    }
  }

  /** Where a release starts from. */
  public enum Mode {
    ANCHORED("anchored"),
    CHAINED("chained"),
    SHIPPED("shipped");

    private final String label;

    Mode(String label) {
      this.label = label;
    }

    /** As it is written on the command line and in JSON. */
    @Override
    public String toString() {
      return label;
    }
  }

  public SequenceBench(Settings settings, Terminal terminal) {
    this.settings = settings;
    this.terminal = terminal;
    lab = new Lab(settings.erase().cache(), terminal);
  }

  /** Runs every seed; what is found so far goes to the sink after each release. */
  public ObjectNode run(EraseBench.Sink sink) throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("dataset", settings.erase().dataset());
    json.put("batches", settings.batches());
    json.put("subjectsPerBatch", settings.erase().subjects());
    for (String name : settings.erase().cases()) {
      ArrayNode seeds = json.putObject(name).putArray("seeds");
      long first = settings.erase().firstSeed();
      for (long seed = first; seed < first + settings.erase().seeds(); seed++) {
        ObjectNode trial = seeds.addObject();
        trial.put("seed", seed);
        EraseBench.Case kind = EraseBench.Case.of(name);
        ErasureData data = kind.data(settings.erase(), seed);
        Recipe recipe = kind.recipe(settings.erase(), data, seed);
        List<int[]> batches = data.batches(settings.batches(), settings.erase().subjects(), seed);
        Trial.describe(trial, data, batches);
        for (Mode mode : settings.modes()) {
          new Sequence(data, recipe, batches, mode, seed)
              .run(trial.putArray(mode.toString()), () -> sink.write(json));
        }
      }
    }
    return json;
  }

  /** Told that there is more to see. */
  private interface Saved {
    void save() throws IOException;
  }

  /** One seed in one mode. */
  private final class Sequence {
    private final ErasureData data;
    private final Recipe recipe;
    private final List<int[]> batches;
    private final Mode mode;
    private final long seed;
    private int batchesBefore; // of which the anchor knows nothing
    private int samplesOfAnchor;
    private HeldOutTargets targets;

    Sequence(ErasureData data, Recipe recipe, List<int[]> batches, Mode mode, long seed) {
      this.data = data;
      this.recipe = recipe;
      this.batches = batches;
      this.mode = mode;
      this.seed = seed;
    }

    void run(ArrayNode releases, Saved saved) throws IOException {
      int next = 0;
      while (next < batches.size()) {
        next = untilTheNextAnchor(next, releases, saved);
      }
    }

    /** Releases from one anchor; the batch that the next one begins with. */
    private int untilTheNextAnchor(int first, ArrayNode releases, Saved saved) throws IOException {
      int[] known = left(erased(0, first));
      Lab.Kept trained = lab.trained("training", recipe, data.train(), known);
      targets = lab.targets(recipe, data, known, settings.erase().folds(), trained).targets();
      batchesBefore = first;
      samplesOfAnchor = known.length;
      try (LoadedModel model = LoadedModel.load(trained.file(), ModelFormat.DJL);
          NDManager scope = model.manager().newSubManager()) {
        NDList anchor = model.copyWeights(scope);
        Activations activations = new Activations(model);
        for (int b = first; b < batches.size(); b++) {
          int[] erased = erased(0, b + 1);
          if (mode != Mode.CHAINED) {
            model.assignWeights(anchor);
          }
          long began = System.nanoTime();
          int[] forget = mode == Mode.CHAINED ? batches.get(b) : erased(batchesBefore, b + 1);
          UnlearningTask task = task(model, activations, forget, erased, b);
          MethodCatalogue.installed().create(HeldoutMatch.NAME, task.policy()).apply(task);
          ObjectNode release = releases.addObject();
          release.put("batch", b + 1);
          release.put("erasedSamples", erased.length);
          release.put("seconds", (System.nanoTime() - began) * 1e-9);
          measure(model, erased, b, release);
          double share = (double) erased(batchesBefore, b + 1).length / samplesOfAnchor;
          boolean anew = mode == Mode.SHIPPED && share > DefaultPolicy.get().getMaxErasedShare();
          release.put("trainedAnew", anew);
          saved.save();
          if (anew) {
            terminal.line("  shipped, %d batches: a new anchor".formatted(b + 1));
            return b + 1;
          }
        }
        return batches.size();
      }
    }

    private void measure(LoadedModel model, int[] erased, int b, ObjectNode release) {
      int[] holdout = IntStream.range(0, data.holdout().size()).toArray();
      double onHoldout = Evaluator.score(model, data.holdout(), holdout).accuracy();
      release.put("holdoutAccuracy", onHoldout);
      release.put("forgetAccuracy", Evaluator.score(model, data.train(), erased).accuracy());
      if ((b + 1) * settings.checkpoints() / batches.size()
          == b * settings.checkpoints() / batches.size()) {
        return;
      }
      Lab.Kept kept = lab.trained("retraining", recipe, data.train(), left(erased));
      try (LoadedModel retrained = LoadedModel.load(kept.file(), ModelFormat.DJL)) {
        double reference = Evaluator.score(retrained, data.holdout(), holdout).accuracy();
        double[] gaps = new double[b + 1];
        for (int earlier = 0; earlier <= b; earlier++) {
          int[] samples = batches.get(earlier);
          gaps[earlier] =
              Evaluator.score(model, data.train(), samples).accuracy()
                  - Evaluator.score(retrained, data.train(), samples).accuracy();
        }
        release.put("retrainedHoldoutAccuracy", reference);
        release.put("holdoutGap", Math.abs(onHoldout - reference));
        release.put(
            "retrainedForgetAccuracy", Evaluator.score(retrained, data.train(), erased).accuracy());
        release.put("worstForgetGap", Arrays.stream(gaps).map(Math::abs).max().orElse(0));
        release.put("meanForgetGap", Arrays.stream(gaps).average().orElse(0));
        ArrayNode each = release.putArray("forgetGaps");
        Arrays.stream(gaps).forEach(each::add);
        terminal.line(
            String.format(
                Locale.ROOT,
                "  %s, %d batches: holdout %.3f against %.3f retrained; forget sets off by %.3f on"
                    + " average, %.3f at worst",
                mode,
                b + 1,
                onHoldout,
                reference,
                Arrays.stream(gaps).average().orElse(0),
                Arrays.stream(gaps).map(Math::abs).max().orElse(0)));
      }
    }

    private UnlearningTask task(
        LoadedModel model, Activations activations, int[] forget, int[] erased, int b) {
      FisherDiagonal unused = new FisherDiagonal(List.of(), 0);
      return new UnlearningTask(
          model,
          data.train(),
          forget,
          Set.of(),
          left(erased),
          Optional.empty(),
          unused,
          unused,
          0,
          Optional.of(targets),
          Optional.empty(),
          UnlearningPolicy.newBuilder(
                  DefaultPolicy.forShare((double) forget.length / samplesOfAnchor))
              .setMethodParameters(settings.erase().parameters())
              .build(),
          seed * 1_000 + b,
          Progress.NONE,
          activations);
    }

    private int[] erased(int from, int to) {
      return batches.subList(from, to).stream().flatMapToInt(Arrays::stream).sorted().toArray();
    }

    private int[] left(int[] erased) {
      boolean[] gone = new boolean[data.train().size()];
      Arrays.stream(erased).forEach(index -> gone[index] = true);
      return IntStream.range(0, gone.length).filter(index -> !gone[index]).toArray();
    }
  }
}
