package io.lethe.unlearning;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.fisher.FisherAccumulator;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.model.ModelException;
import io.lethe.model.TorchScriptModel;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Exact diagonal of the empirical Fisher information: per parameter the sum over samples of {@code
 * (∂ log p(y | x; θ) / ∂θ)²}, squared per sample before the sum, in eval mode.
 *
 * <p>Layers with a {@link LayerForm} cost about one backward pass per minibatch. A model with any
 * other parameter, and one whose fast sums disagree with a loop over its first samples, is computed
 * one sample at a time ({@link SampleLoop}) and says so once. Sums accumulate as {@link SquareSums}
 * says. Weights and statistics stay as they are. Two runs over the same samples in the same
 * minibatches and with as many threads give the same bytes: nothing is chosen by a clock.
 *
 * <p>On a GPU the minibatch follows from the card's free memory. A minibatch that finds no memory
 * is done again at half its size, and so are those after it. No GPU was at hand to measure on.
 */
public final class FisherComputer {
  /** Samples on which the fast form is held against the loop before it is trusted. */
  private static final int CHECKED = 2;

  /** Beyond it a larger minibatch gains nothing. */
  private static final int MOST_SAMPLES = 256;

  private static final double TOLERANCE_FLOAT32 = 1e-3;
  private static final double TOLERANCE_FLOAT64 = 1e-9;
  private static final Logger LOG = LoggerFactory.getLogger(FisherComputer.class);

  private final LoadedModel model;
  private final long memoryBytes;
  private final int mostSamples;
  private final List<LoadedModel.Weight> weights;
  private boolean said;

  /**
   * Takes minibatches that need about 768 MiB on a CPU and half of the free memory on a GPU, which
   * a small model never does: it stops at {@value #MOST_SAMPLES} samples.
   */
  public FisherComputer(LoadedModel model) {
    this(
        model,
        MinibatchMemory.of(
            model.manager().getDevice(),
            model.weights().stream().mapToLong(weight -> weight.array().size()).sum()),
        MOST_SAMPLES);
  }

  /**
   * @param memoryMib what the layers' inputs, outputs and gradients of a minibatch may take, in
   *     MiB; decides its size
   */
  public FisherComputer(LoadedModel model, int memoryMib) {
    this(model, (long) memoryMib << 20, MOST_SAMPLES);
  }

  private FisherComputer(LoadedModel model, long memoryBytes, int mostSamples) {
    this.model = model;
    this.memoryBytes = memoryBytes;
    this.mostSamples = mostSamples;
    weights = model.weights();
  }

  /** With minibatches of a given size. */
  public static FisherComputer ofMinibatch(LoadedModel model, int samples) {
    return new FisherComputer(model, Long.MAX_VALUE, samples);
  }

  /**
   * Sums over the samples at the given positions.
   *
   * @throws UnlearningException naming the parameter that received no gradient, or when a loss is
   *     not finite
   */
  public FisherDiagonal sum(SampleDataset dataset, int[] samples, Progress progress) {
    return accumulate(dataset, samples, progress).toDiagonal();
  }

  /** As {@link #sum}, not rounded to float32. */
  FisherAccumulator accumulate(SampleDataset dataset, int[] samples, Progress progress) {
    Optional<ProbedFisher> probed = ProbedFisher.of(model);
    if (probed.isEmpty()) {
      say("a layer has no fast Fisher form: computing one sample at a time");
      return loop(dataset, samples, progress);
    }
    try (ProbedFisher fast = probed.get()) {
      if (samples.length == 0) {
        return newAccumulator();
      }
      if (agrees(fast, dataset, Arrays.copyOf(samples, Math.min(CHECKED, samples.length)))) {
        int minibatch =
            (int) Math.max(1, Math.min(mostSamples, memoryBytes / fast.bytesPerSample()));
        return addUp(fast, dataset, samples, minibatch, progress);
      }
    }
    say("the fast Fisher form does not hold here: computing one sample at a time");
    return loop(dataset, samples, progress);
  }

  private void say(String what) {
    if (!said) {
      said = true;
      LOG.info(what);
    }
  }

  private FisherAccumulator addUp(
      ProbedFisher fast, SampleDataset dataset, int[] samples, int most, Progress progress) {
    int minibatch = most;
    try (NDManager job = model.manager().newSubManager();
        Minibatches minibatches = new Minibatches(model, dataset, samples)) {
      SquareSums sums = new SquareSums(job, weights);
      for (int from = 0; from < samples.length; ) {
        int size = Math.min(minibatch, samples.length - from);
        try (Minibatches.Minibatch batch = minibatches.take(from, minibatch)) {
          if (!addProbed(fast, batch.scope(), batch.xy(), sums)) {
            throw new UnlearningException("the model ran differently on later samples");
          }
        } catch (EngineException e) {
          if (!MinibatchMemory.isExhausted(e)) {
            throw e;
          }
          if (size == 1) {
            throw new UnlearningException("not enough memory for a minibatch of one sample");
          }
          minibatch = size / 2;
          LOG.warn("not enough memory for {} samples at once: going on with {}", size, minibatch);
          continue;
        }
        from += size;
        progress.at(JobStage.FISHER, from, samples.length);
      }
      FisherAccumulator accumulator = newAccumulator();
      sums.addTo(accumulator);
      accumulator.countSamples(samples.length);
      return accumulator;
    }
  }

  /** Adds a whole minibatch or nothing. */
  private static boolean addProbed(ProbedFisher fast, NDManager scope, NDList xy, SquareSums sums) {
    try (GradientMode off = GradientMode.off()) {
      Optional<NDArray[]> squares = fast.squares(scope, xy);
      squares.ifPresent(sums::add);
      return squares.isPresent();
    }
  }

  private boolean agrees(ProbedFisher fast, SampleDataset dataset, int[] samples) {
    try (NDManager job = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      SquareSums probed = new SquareSums(job, weights);
      try (NDManager scope = job.newSubManager()) {
        if (!addProbed(fast, scope, dataset.batch(scope, samples), probed)) {
          return false;
        }
      } catch (EngineException | ModelException e) {
        if (e instanceof EngineException engine && MinibatchMemory.isExhausted(engine)) {
          throw e;
        }
        return false; // a block that changes the first layer's output in place; the loop may do it
      }
      // The wrappers stay in place: they only keep what passes.
      SquareSums reference = new SquareSums(job, weights);
      new SampleLoop(model).add(dataset, samples, reference, Progress.NONE);
      double tolerance =
          model.dataType() == DataType.FLOAT64 ? TOLERANCE_FLOAT64 : TOLERANCE_FLOAT32;
      for (int t = 0; t < weights.size(); t++) {
        NDArray expected = reference.totals()[t];
        double largest = expected.max().getDouble();
        double difference = probed.totals()[t].subi(expected).abs().max().getDouble();
        if (!(difference <= tolerance * largest)) {
          return false;
        }
      }
      return true;
    }
  }

  /** One sample at a time: the definition, the reference, and the way for any other layer. */
  FisherAccumulator loop(SampleDataset dataset, int[] samples, Progress progress) {
    FisherAccumulator sums = newAccumulator();
    int threads = SampleLoop.threads(model, samples.length);
    if (threads == 1) {
      try (NDManager job = model.manager().newSubManager()) {
        SquareSums own = new SquareSums(job, weights);
        new SampleLoop(model).add(dataset, samples, own, progress);
        own.addTo(sums);
      }
    } else {
      SampleLoop.addOnCopies((TorchScriptModel) model, threads, dataset, samples, sums, progress);
    }
    sums.countSamples(samples.length);
    return sums;
  }

  static void requireFinite(NDArray loss) {
    if (!Double.isFinite(loss.toType(DataType.FLOAT64, true).getDouble())) {
      throw new UnlearningException("a sample's loss is not a finite number");
    }
  }

  static UnlearningException noGradient(String parameter) {
    return new UnlearningException(
        "parameter %s received no gradient: it does not reach the loss".formatted(parameter));
  }

  private FisherAccumulator newAccumulator() {
    return new FisherAccumulator(
        weights.stream().map(LoadedModel.Weight::name).toList(),
        weights.stream().map(LoadedModel.Weight::shape).toList());
  }
}
