package io.lethe.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.model.BlockRecipe;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.MethodCatalogue;
import io.lethe.unlearning.Recipe;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.method.HeldoutMatch;
import io.lethe.unlearning.method.RandomMask;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Every method against retraining: how near does each come to a model that never saw the forget
 * samples? Each case is run once per seed (initial weights, order of samples, whose samples are
 * erased, which labels are changed); what was trained is cached, and the result is handed over
 * after each seed, so that a run may be cut short and taken up again.
 */
public final class EraseBench {
  /** Name of the case that measures seconds rather than forgetting. */
  private static final String COST = "cost";

  private final Settings settings;
  private final Terminal terminal;
  private final Lab lab;

  /**
   * @param cases clean, changed, class, overfit, cost
   * @param dataset URI of the data of {@code clean} and {@code changed}
   * @param lineage who its samples belong to, where the dataset does not know
   * @param samples about how many training samples to keep of it; 0 for all
   * @param subjects data subjects in a batch
   * @param folds of cross-fitting
   * @param methods names of methods to compare, or {@code ladder} for a whole job; those that lack
   *     what they need are left out
   * @param parameters hyperparameters by the method's name, as JSON, where not the defaults
   * @param seeds how many
   * @param firstSeed the first of them
   * @param training how models are trained, where not as the case says
   * @param cache folder of trained models
   */
  public record Settings(
      List<String> cases,
      String dataset,
      Optional<Path> lineage,
      int samples,
      int subjects,
      int folds,
      List<String> methods,
      Map<String, String> parameters,
      int seeds,
      long firstSeed,
      Optional<Training> training,
      Path cache) {
    public Settings {
      cases = List.copyOf(cases);
      methods = List.copyOf(methods);
      parameters = Map.copyOf(parameters);
      cases.stream().filter(name -> !name.equals(COST)).forEach(Case::of);
      if (seeds < 1 || subjects < 1 || samples < 0) {
        throw new IllegalArgumentException(
            "a bench takes at least one seed and one data subject, and no negative samples");
      }
    }
  }

  /**
   * How a model is made: a convolutional network, trained by Adam at a rate of one cycle.
   *
   * @param batch samples per step
   * @param rate at the peak
   * @param widths filters of each convolution, then units of the dense layer
   */
  public record Training(int epochs, int batch, double rate, List<Integer> widths) {
    public Training {
      widths = List.copyOf(widths);
    }

    Recipe recipe(ErasureData data, long seed) {
      return Recipe.of(
          BlockRecipe.cnn(
              data.train().sampleShape(), data.train().classes(), widths.toArray(Integer[]::new)),
          new TrainingRecipe(epochs, batch, rate, TrainingRecipe.Schedule.ONE_CYCLE, 0, seed));
    }
  }

  /** A kind of model and data. */
  enum Case {
    /** The dataset as it is. Doing nothing is already close: an easy set is hardly memorised. */
    CLEAN(0) {
      @Override
      Training training(ErasureData data) {
        int epochs = data.train().size() > 20_000 ? 5 : 8;
        return new Training(epochs, 128, 0.003, List.of(8, 16, 512));
      }
    },
    /** 15 % of the labels changed at random: only memory gets those right. */
    CHANGED(0.15) {
      @Override
      Training training(ErasureData data) {
        int epochs = data.train().size() > 20_000 ? 36 : 24;
        return new Training(epochs, 128, 0.003, List.of(8, 16, 512));
      }
    },
    /**
     * All samples of the first class, which held-out targets of other people know: not for them.
     */
    CLASS(0) {
      @Override
      Training training(ErasureData data) {
        return new Training(8, 128, 0.003, List.of(8, 16, 512));
      }

      @Override
      int[] forget(ErasureData data, int subjects, long seed) {
        return IntStream.range(0, data.train().size())
            .filter(index -> data.train().label(index) == 0)
            .toArray();
      }

      @Override
      Set<Integer> forgetClasses() {
        return Set.of(0);
      }

      @Override
      boolean suits(String method) {
        return !method.equals(HeldoutMatch.NAME) && !method.equals(Trial.LADDER);
      }
    },
    /** 8,000 generated images that a large model learns by heart and generalises badly from. */
    OVERFIT(0) {
      @Override
      Training training(ErasureData data) {
        return new Training(24, 128, 0.003, List.of(16, 32, 256));
      }

      @Override
      ErasureData data(Settings settings, long seed) {
        return ErasureData.open(
            "synthetic:digits?samples=8000&test=4000&subjects=200&classes=40&side=16&noise=0.15"
                + "&seed="
                + seed,
            Optional.empty(),
            0,
            0,
            seed);
      }
    };

    final double changedShare;

    Case(double changedShare) {
      this.changedShare = changedShare;
    }

    /** How its models are trained: until they are right on 99.5 % of what they were trained on. */
    abstract Training training(ErasureData data);

    Recipe recipe(Settings settings, ErasureData data, long seed) {
      return settings.training().orElseGet(() -> training(data)).recipe(data, seed);
    }

    /** What a batch erases, ascending. */
    int[] forget(ErasureData data, int subjects, long seed) {
      return data.batches(1, subjects, seed).get(0);
    }

    /** Whole classes that a batch erases. */
    Set<Integer> forgetClasses() {
      return Set.of();
    }

    /** Whether a method is for such a forget set. */
    boolean suits(String method) {
      return true;
    }

    ErasureData data(Settings settings, long seed) {
      return ErasureData.open(
          settings.dataset(), settings.lineage(), settings.samples(), changedShare, seed);
    }

    static Case of(String name) {
      for (Case one : values()) {
        if (one.label().equals(name)) {
          return one;
        }
      }
      throw new IllegalArgumentException(
          name + ": unknown case; known are clean, changed, class, overfit and cost");
    }

    String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  public EraseBench(Settings settings, Terminal terminal) {
    this.settings = settings;
    this.terminal = terminal;
    lab = new Lab(settings.cache(), terminal);
  }

  /** Everything that can be compared. */
  public static List<String> allMethods() {
    return Stream.concat(
            Stream.of(Trial.LADDER),
            MethodCatalogue.installed().entries().stream()
                .map(MethodCatalogue.Entry::name)
                .filter(name -> !name.equals(RandomMask.NAME))) // deepclean's control
        .toList();
  }

  /** Takes the figures as far as they are. */
  public interface Sink {
    void write(ObjectNode figures) throws IOException;
  }

  /** Runs every case with every seed; the seeds of a case one after the other. */
  public ObjectNode run(Sink sink) throws IOException {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("dataset", settings.dataset());
    json.put("folds", settings.folds());
    json.put("subjectsPerBatch", settings.subjects());
    long began = System.nanoTime();
    int done = 0;
    int all = settings.cases().size() * settings.seeds();
    for (String name : settings.cases()) {
      if (name.equals(COST)) {
        json.set(name, new CostBench(settings, lab, terminal).run());
        sink.write(json);
        continue;
      }
      List<ObjectNode> trials = new ArrayList<>();
      ObjectNode of = json.putObject(name);
      ArrayNode seeds = of.putArray("seeds");
      for (long seed = settings.firstSeed();
          seed < settings.firstSeed() + settings.seeds();
          seed++) {
        ObjectNode trial = trial(Case.of(name), seed);
        trials.add(trial);
        seeds.add(trial);
        of.set("summary", Spread.of(trials));
        ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
        sink.write(json);
        print(name, seed, trial);
        Duration left = Duration.ofNanos((System.nanoTime() - began) / ++done * (all - done));
        terminal.line(
            "  %d of %d done, about %d:%02d min left"
                .formatted(done, all, left.toMinutes(), left.toSecondsPart()));
      }
    }
    return json;
  }

  private ObjectNode trial(Case kind, long seed) {
    ErasureData data = kind.data(settings, seed);
    int[] forget = kind.forget(data, settings.subjects(), seed);
    Recipe recipe = kind.recipe(settings, data, seed);
    Trial.Start start = Trial.prepare(lab, recipe, data, forget, settings.folds());
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("seed", seed);
    Trial.describe(json, data, List.of(forget));
    ObjectNode seconds = json.putObject("seconds");
    seconds.put("train", start.trained().seconds());
    seconds.put("retrain", start.retrained().seconds());
    seconds.put("folds", start.targets().seconds());
    seconds.put("fisher", start.sums().seconds());
    ObjectNode rows = json.putObject("rows");
    try (Trial trial =
        new Trial(
            data, forget, kind.forgetClasses(), start, settings.parameters(), seed, terminal)) {
      trial.references(rows);
      for (String method : settings.methods()) {
        if (kind.suits(method) && !trial.run(method, rows)) {
          terminal.line("  " + method + " was left out: it needs what is not there");
        }
      }
    }
    return json;
  }

  private void print(String name, long seed, ObjectNode trial) {
    terminal.line("");
    terminal.line(
        "  %-22s forget  retain holdout   loss    AUC  changed  AUC of changed    ToW"
            .formatted(name + ", seed " + seed));
    for (Map.Entry<String, JsonNode> entry : trial.path("rows").properties()) {
      JsonNode row = entry.getValue();
      terminal.line(
          String.format(
              Locale.ROOT,
              "  %-22s  %.3f   %.3f   %.3f  %5.2f  %.3f  %s  %.3f",
              entry.getKey(),
              row.path("forgetAccuracy").asDouble(),
              row.path("retainAccuracy").asDouble(),
              row.path("holdoutAccuracy").asDouble(),
              row.path("forgetLoss").asDouble(),
              row.path("membershipAuc").asDouble(),
              row.has("changedAccuracy")
                  ? String.format(
                      Locale.ROOT,
                      "  %.3f           %.3f",
                      row.path("changedAccuracy").asDouble(),
                      row.path("changedMembershipAuc").asDouble())
                  : "      -               -",
              row.path("tow").asDouble()));
    }
  }
}
