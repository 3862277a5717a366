package io.lethe.bench;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.fisher.CodecFigures;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.BlockRecipe;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.model.ModelException;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.FisherComputer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.LongSummaryStatistics;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * Samples per second of the exact Fisher diagonal beside a plain training step without its update,
 * and beside the definition, one sample at a time; all on the same samples and, but for the last,
 * in the same minibatches. The three take turns, so that a busy machine slows all of them; each
 * figure is the median of its turns, and stands beside the lowest and the highest.
 *
 * <p>A turn is one whole computation, with what it does once: the check on two samples, the choice
 * of the minibatch, the sums' way to the heap. That takes some tenths of a second for a large model
 * and should be a small part of a turn, as it is of a job: take turns of several seconds.
 */
public final class FisherBench {
  private static final double NANOS = 1e9;
  private static final int CLASSES = 10;
  private static final int MOST_SAMPLES = 1 << 20;
  private static final int PROBE_SAMPLES = 512;

  /** Samples of the diagonal that the codecs are measured on. */
  private static final int CODEC_SAMPLES = 32;

  /** After so many minibatches resident memory counts as settled; from then on every so many. */
  private static final int SETTLED = 50;

  /** The loop's turns are so much shorter: it has no minibatches to fill. */
  private static final int LOOP_SHARE = 4;

  private static final int SMALL_MINIBATCH = 2;
  private static final long SEED = 1;

  private final Settings settings;
  private final Terminal terminal;

  /**
   * @param models names of the models to measure
   * @param own a model of the user's to measure in place of those
   * @param secondsPerTurn about how long a turn takes
   * @param turns turns of each computation, after one that warms up
   * @param threads what the figures were taken with; set by the caller
   * @param minibatches so many small minibatches of one computation more, to see whether resident
   *     memory grows; 0 for none, else above {@value #SETTLED}
   */
  public record Settings(
      List<String> models,
      Optional<OwnModel> own,
      double secondsPerTurn,
      int turns,
      int threads,
      int minibatches) {
    public Settings {
      models = List.copyOf(models);
      for (String model : models) {
        Case.of(model);
      }
      if (!(secondsPerTurn > 0) || turns < 1) {
        throw new IllegalArgumentException("a bench takes at least one turn of positive length");
      }
      if (minibatches != 0 && minibatches <= SETTLED) {
        throw new IllegalArgumentException("minibatches: 0, or more than " + SETTLED);
      }
    }
  }

  /**
   * A model of the user's.
   *
   * @param name of its figures
   * @param input channels, height and width of a sample
   * @param load gives it; the bench closes it
   */
  public record OwnModel(String name, Shape input, Supplier<LoadedModel> load) {}

  /** A model and what it is fed. */
  private enum Case {
    /** 0.5 M parameters on images as large as MNIST's. */
    MLP(new Shape(1, 28, 28)) {
      @Override
      BlockRecipe recipe() {
        return BlockRecipe.mlp(shape, CLASSES, 512, 256);
      }
    },
    /** 0.6 M parameters on images as large as MNIST's. */
    CNN(new Shape(1, 28, 28)) {
      @Override
      BlockRecipe recipe() {
        return BlockRecipe.cnn(shape, CLASSES, 32, 64, 192);
      }
    },
    /** 11.2 M parameters on images as large as CIFAR-10's. */
    RESNET18(new Shape(3, 32, 32)) {
      @Override
      BlockRecipe recipe() {
        return BlockRecipe.resnet18(shape, CLASSES);
      }
    };

    final Shape shape;

    Case(Shape shape) {
      this.shape = shape;
    }

    abstract BlockRecipe recipe();

    static Case of(String name) {
      return Arrays.stream(values())
          .filter(c -> c.name().toLowerCase(Locale.ROOT).equals(name))
          .findFirst()
          .orElseThrow(
              () ->
                  new IllegalArgumentException(
                      "%s: unknown model; known are mlp, cnn and resnet18".formatted(name)));
    }
  }

  public FisherBench(Settings settings, Terminal terminal) {
    this.settings = settings;
    this.terminal = terminal;
  }

  /** Measures; one object per model under its name, then what holds for all. */
  public ObjectNode run() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    terminal.line(
        "            samples/s   forward+backward/s   one at a time/s   ratio   peak RSS MiB");
    if (settings.own().isPresent()) {
      OwnModel own = settings.own().get();
      json.set(own.name(), measure(own.name(), own.input(), own.load()));
    } else {
      for (String name : settings.models()) {
        Case known = Case.of(name);
        json.set(name, measure(name, known.shape, () -> LoadedModel.create(known.recipe(), SEED)));
      }
    }
    json.put("threads", settings.threads());
    json.put("turns", settings.turns());
    json.put("secondsPerTurn", settings.secondsPerTurn());
    ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
    return json;
  }

  private ObjectNode measure(String name, Shape shape, Supplier<LoadedModel> load) {
    try (LoadedModel model = load.get()) {
      RandomImages images = new RandomImages(shape, classes(model, shape), MOST_SAMPLES, SEED);
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      if (settings.minibatches() > 0) {
        json.set("memory", memory(model, images)); // first: what a peak leaves free hides growth
      }
      int minibatch = minibatch(model, images);
      boolean trains = trains(model, images);
      Computation fisher =
          samples -> new FisherComputer(model).sum(images, samples, (stage, done, total) -> {});
      Computation plain = samples -> forwardBackward(model, images, samples, minibatch, trains);
      Computation single = samples -> oneAtATime(model, images, samples);
      int fisherSamples = warmUp(fisher, minibatch, settings.secondsPerTurn());
      final int plainSamples = warmUp(plain, minibatch, settings.secondsPerTurn());
      final int singleSamples = warmUp(single, 1, settings.secondsPerTurn() / LOOP_SHARE);
      double[] fisherRates = new double[settings.turns()];
      double[] plainRates = new double[settings.turns()];
      double[] singleRates = new double[settings.turns()];
      double[] ratios = new double[settings.turns()];
      for (int turn = 0; turn < settings.turns(); turn++) {
        fisherRates[turn] = rate(fisher, fisherSamples);
        plainRates[turn] = rate(plain, plainSamples);
        singleRates[turn] = rate(single, singleSamples);
        ratios[turn] = fisherRates[turn] / plainRates[turn];
      }
      double rate = put(json, "samplesPerSecond", fisherRates);
      double plainRate = put(json, "forwardBackwardPerSecond", plainRates);
      double singleRate = put(json, "oneSampleLoopPerSecond", singleRates);
      json.put("ratio", rate / plainRate);
      spread(json, "ratio", ratios);
      json.put("forwardBackwardMode", trains ? "training" : "eval");
      // Of the process: it holds the models measured before, too.
      long peak = ProcessMemory.peakRssMiB().orElse(0);
      json.put("peakRssMiB", peak);
      json.put("parameters", parameters(model));
      json.put("minibatch", minibatch);
      FisherDiagonal diagonal =
          new FisherComputer(model)
              .sum(images, IntStream.range(0, CODEC_SAMPLES).toArray(), (stage, done, total) -> {});
      json.set("codecs", CodecFigures.of(diagonal));
      terminal.line(
          String.format(
              Locale.ROOT,
              "  %-8s  %,9.0f   %,18.0f   %,15.0f   %5.2f   %,12d    ratio %.2f to %.2f",
              name,
              rate,
              plainRate,
              singleRate,
              rate / plainRate,
              peak,
              Arrays.stream(ratios).min().orElseThrow(),
              Arrays.stream(ratios).max().orElseThrow()));
      return json;
    }
  }

  /** Puts the median and the spread; returns the median. */
  private static double put(ObjectNode json, String name, double[] values) {
    double median = Figures.median(values);
    json.put(name, median);
    spread(json, name, values);
    return median;
  }

  private static void spread(ObjectNode json, String name, double[] values) {
    json.putArray(name + "Spread")
        .add(Arrays.stream(values).min().orElseThrow())
        .add(Arrays.stream(values).max().orElseThrow());
  }

  private static int classes(LoadedModel model, Shape shape) {
    try (NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      NDList x = new RandomImages(shape, 2, 1, SEED).batch(scope, new int[] {0});
      return (int) model.logits(x.get(0)).getShape().get(1);
    }
  }

  /** Whether the model has a training mode: one that was traced has not. */
  private static boolean trains(LoadedModel model, RandomImages images) {
    try (NDManager scope = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      model.trainingLogits(images.batch(scope, new int[] {0, 1}).get(0));
      return true;
    } catch (ModelException e) {
      return false;
    }
  }

  /** Something done to the samples at some positions. */
  private interface Computation {
    void run(int[] samples);
  }

  /** Resident memory of the process while one computation goes through its minibatches. */
  private ObjectNode memory(LoadedModel model, RandomImages images) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    LongSummaryStatistics all = new LongSummaryStatistics();
    FisherComputer.ofMinibatch(model, SMALL_MINIBATCH)
        .sum(
            images,
            IntStream.range(0, settings.minibatches() * SMALL_MINIBATCH).toArray(),
            (stage, done, total) -> {
              long minibatch = done / SMALL_MINIBATCH;
              if (minibatch % SETTLED == 0 || done == total) {
                ProcessMemory.residentMiB()
                    .ifPresent(
                        mib -> {
                          all.accept(mib);
                          if (minibatch == SETTLED || done == total) {
                            json.put("residentMiBAtMinibatch" + minibatch, mib);
                          }
                        });
              }
            });
    if (all.getCount() > 0) {
      json.put("lowestMiB", all.getMin());
      json.put("highestMiB", all.getMax());
      double settled = json.path("residentMiBAtMinibatch" + SETTLED).asDouble();
      json.put("largestChange", Math.max(all.getMax() - settled, settled - all.getMin()) / settled);
    }
    return json;
  }

  /** The size that the engine chooses. */
  private static int minibatch(LoadedModel model, RandomImages images) {
    AtomicInteger first = new AtomicInteger();
    try {
      new FisherComputer(model)
          .sum(
              images,
              IntStream.range(0, PROBE_SAMPLES).toArray(),
              (stage, done, total) -> {
                first.set((int) done);
                throw new CancellationException(); // what a listener throws ends the job
              });
    } catch (CancellationException e) {
      return first.get();
    }
    throw new IllegalStateException("no minibatch was reported");
  }

  /** Runs until it is warm; returns how many samples, in whole minibatches, fill a turn. */
  private static int warmUp(Computation computation, int minibatch, double secondsPerTurn) {
    int samples = minibatch;
    while (true) {
      double seconds = seconds(computation, samples);
      double wanted = samples * secondsPerTurn / seconds;
      int next =
          (int) Math.min(MOST_SAMPLES, Math.max(1, Math.round(wanted / minibatch)) * minibatch);
      if (seconds >= secondsPerTurn / 2 || next <= samples) {
        return Math.max(minibatch, next);
      }
      samples = Math.min(next, 8 * samples);
    }
  }

  private static double rate(Computation computation, int samples) {
    return samples / seconds(computation, samples);
  }

  private static double seconds(Computation computation, int samples) {
    int[] positions = IntStream.range(0, samples).toArray();
    long began = System.nanoTime();
    computation.run(positions);
    return (System.nanoTime() - began) / NANOS;
  }

  /** What a training step does up to its update, in training mode where there is one. */
  private static void forwardBackward(
      LoadedModel model, RandomImages images, int[] samples, int minibatch, boolean trains) {
    withGradients(
        model,
        () -> {
          for (int from = 0; from < samples.length; from += minibatch) {
            int[] batch =
                Arrays.copyOfRange(samples, from, Math.min(samples.length, from + minibatch));
            try (NDManager scope = model.manager().newSubManager()) {
              NDList xy = images.batch(scope, batch);
              NDArray logits = trains ? model.trainingLogits(xy.get(0)) : model.logits(xy.get(0));
              GradientMode.backward(loss(logits, xy.get(1)).div(batch.length));
            }
            model.weights().forEach(weight -> GradientMode.zero(weight.array()));
          }
        });
  }

  /** The definition: each sample's gradient by itself, squared, added up. */
  private static void oneAtATime(LoadedModel model, RandomImages images, int[] samples) {
    withGradients(
        model,
        () -> {
          try (NDManager job = model.manager().newSubManager()) {
            List<NDArray> sums = new ArrayList<>();
            model.weights().forEach(weight -> sums.add(job.zeros(weight.array().getShape())));
            for (int sample : samples) {
              try (NDManager scope = job.newSubManager()) {
                NDList xy = images.batch(scope, new int[] {sample});
                GradientMode.backward(loss(model.logits(xy.get(0)), xy.get(1)));
                addSquares(model, sums, scope);
              }
              model.weights().forEach(weight -> GradientMode.zero(weight.array()));
            }
          }
        });
  }

  private static void addSquares(LoadedModel model, List<NDArray> sums, NDManager scope) {
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < sums.size(); t++) {
        PtNDArray gradient = JniUtils.getGradient((PtNDArray) model.weights().get(t).array());
        gradient.attach(scope);
        sums.get(t).addi(gradient.square());
      }
    }
  }

  private static void withGradients(LoadedModel model, Runnable work) {
    try (GradientMode on = GradientMode.on()) {
      model.weights().forEach(weight -> weight.array().setRequiresGradient(true));
      work.run();
    } finally {
      model.weights().forEach(weight -> weight.array().setRequiresGradient(false));
    }
  }

  private static NDArray loss(NDArray logits, NDArray labels) {
    NDArray oneHot =
        labels.oneHot((int) logits.getShape().get(1)).toType(logits.getDataType(), false);
    return logits.logSoftmax(1).mul(oneHot).sum().neg();
  }

  private static long parameters(LoadedModel model) {
    return model.weights().stream().mapToLong(weight -> weight.array().getShape().size()).sum();
  }
}
