package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.fisher.FisherAccumulator;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Exact diagonal of the empirical Fisher information: per parameter the sum over samples of {@code
 * (∂ log p(y | x; θ) / ∂θ)²}, squared per sample before the sum, in eval mode.
 *
 * <p>Layers with a {@link LayerForm} cost about one backward pass per minibatch. A model with any
 * other parameter, and one whose fast sums disagree with a loop over its first samples, is computed
 * one sample at a time and says so once. Sums accumulate in float64. Weights and statistics stay as
 * they are. Two runs over the same samples give the same bytes.
 */
public final class FisherComputer {
  /** Samples on which the fast form is held against the loop before it is trusted. */
  private static final int CHECKED = 2;

  /** Memory for per-sample gradients of a layer that runs more than once. */
  private static final long SHARED_BYTES = 64 << 20;

  /** Beyond it a larger minibatch gains nothing. */
  private static final int MOST_SAMPLES = 256;

  private static final double TOLERANCE_FLOAT32 = 1e-3;
  private static final double TOLERANCE_FLOAT64 = 1e-9;
  private static final Logger LOG = LoggerFactory.getLogger(FisherComputer.class);

  private final LoadedModel model;
  private final long memoryBytes;
  private final int mostSamples;
  private final List<LoadedModel.Weight> weights;

  /**
   * Takes minibatches that need about 512 MiB, which a small model never does: it stops at {@value
   * #MOST_SAMPLES} samples.
   */
  public FisherComputer(LoadedModel model) {
    this(model, 512);
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
  static FisherComputer ofMinibatch(LoadedModel model, int samples) {
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
    Optional<ProbedModel> probed = ProbedModel.of(model);
    if (probed.isEmpty()) {
      LOG.info("a layer has no fast Fisher form: computing one sample at a time");
      return loop(dataset, samples, progress);
    }
    try (ProbedModel block = probed.get()) {
      if (samples.length == 0) {
        return newAccumulator();
      }
      if (!agrees(block, dataset, Arrays.copyOf(samples, Math.min(CHECKED, samples.length)))) {
        LOG.info("the fast Fisher form does not hold here: computing one sample at a time");
        block.close();
        return loop(dataset, samples, progress);
      }
      int minibatch =
          (int) Math.max(1, Math.min(mostSamples, memoryBytes / block.bytesPerSample()));
      return addUp(block, dataset, samples, minibatch, progress);
    }
  }

  private FisherAccumulator addUp(
      ProbedModel block, SampleDataset dataset, int[] samples, int minibatch, Progress progress) {
    try (NDManager job = model.manager().newSubManager()) {
      NDList totals = zeros(job);
      for (int from = 0; from < samples.length; from += minibatch) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + minibatch));
        if (!addProbed(block, dataset, batch, totals)) {
          throw new UnlearningException("the model ran differently on later samples");
        }
        progress.at(JobStage.FISHER, from + (long) batch.length, samples.length);
      }
      return toAccumulator(totals, samples.length);
    }
  }

  /** Sums in float64, one array per weight. */
  private NDList zeros(NDManager job) {
    NDList totals = new NDList();
    for (LoadedModel.Weight weight : weights) {
      totals.add(job.zeros(weight.array().getShape(), DataType.FLOAT64));
    }
    return totals;
  }

  private boolean agrees(ProbedModel block, SampleDataset dataset, int[] samples) {
    try (NDManager job = model.manager().newSubManager();
        GradientMode off = GradientMode.off()) {
      NDList fast = zeros(job);
      if (!addProbed(block, dataset, samples, fast)) {
        return false;
      }
      // The wrappers stay in place: run without a gradient for their probes they change nothing.
      NDList reference = zeros(job);
      addLoop(dataset, samples, reference, Progress.NONE);
      double tolerance =
          model.dataType() == DataType.FLOAT64 ? TOLERANCE_FLOAT64 : TOLERANCE_FLOAT32;
      for (int t = 0; t < weights.size(); t++) {
        double largest = reference.get(t).max().getDouble();
        double difference = fast.get(t).subi(reference.get(t)).abs().max().getDouble();
        if (!(difference <= tolerance * largest)) {
          return false;
        }
      }
      return true;
    }
  }

  /** One sample at a time: the definition, the reference, and the way for any other layer. */
  FisherAccumulator loop(SampleDataset dataset, int[] samples, Progress progress) {
    try (NDManager job = model.manager().newSubManager()) {
      NDList totals = zeros(job);
      addLoop(dataset, samples, totals, progress);
      return toAccumulator(totals, samples.length);
    }
  }

  private void addLoop(SampleDataset dataset, int[] samples, NDList totals, Progress progress) {
    boolean[] reached = new boolean[weights.size()];
    try (GradientMode on = GradientMode.on()) {
      for (LoadedModel.Weight weight : weights) {
        weight.array().setRequiresGradient(true);
      }
      for (int s = 0; s < samples.length; s++) {
        for (LoadedModel.Weight weight : weights) {
          GradientMode.zero(weight.array());
        }
        try (NDManager scope = model.manager().newSubManager()) {
          NDList xy = dataset.batch(scope, new int[] {samples[s]});
          NDArray logits = model.logits(xy.get(0).toType(model.dataType(), false));
          backward(CrossEntropy.perSample(logits, xy.get(1)).sum());
          addSquares(totals, reached, scope);
        }
        progress.at(JobStage.FISHER, s + 1L, samples.length);
      }
    } finally {
      for (LoadedModel.Weight weight : weights) {
        weight.array().setRequiresGradient(false);
      }
    }
    for (int t = 0; t < reached.length; t++) {
      if (samples.length > 0 && !reached[t]) {
        throw noGradient(weights.get(t).name());
      }
    }
  }

  private FisherAccumulator toAccumulator(NDList totals, long samples) {
    FisherAccumulator sums = newAccumulator();
    for (int t = 0; t < totals.size(); t++) {
      sums.add(t, totals.get(t).toDoubleArray());
    }
    sums.countSamples(samples);
    return sums;
  }

  private void addSquares(NDList totals, boolean[] reached, NDManager scope) {
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < weights.size(); t++) {
        PtNDArray gradient = JniUtils.getGradient((PtNDArray) weights.get(t).array());
        if (gradient != null) {
          reached[t] = true;
          gradient.attach(scope);
          totals.get(t).addi(gradient.toType(DataType.FLOAT64, false).square());
        }
      }
    }
  }

  /** Adds a minibatch; false where a layer was passed by or does not see the samples one by one. */
  private boolean addProbed(ProbedModel block, SampleDataset dataset, int[] batch, NDList totals) {
    Map<NDArray, Integer> positions = new IdentityHashMap<>();
    for (int t = 0; t < weights.size(); t++) {
      positions.put(weights.get(t).array(), t);
    }
    try (NDManager scope = model.manager().newSubManager();
        GradientMode on = GradientMode.on()) {
      NDList xy = dataset.batch(scope, batch);
      NDArray logits = block.forward(xy.get(0).toType(model.dataType(), false));
      if (!block.sees(batch.length)) {
        return false;
      }
      backward(CrossEntropy.perSample(logits, xy.get(1)).sum());
      try (GradientMode off = GradientMode.off()) {
        for (ProbedModel.Layer layer : block.layers()) {
          addLayer(layer, positions, totals, scope);
        }
      }
      return true;
    }
  }

  private void addLayer(
      ProbedModel.Layer layer,
      Map<NDArray, Integer> positions,
      NDList totals,
      NDManager minibatchScope) {
    Map<String, NDArray> parameters = layer.parameters();
    try (NDManager scope = minibatchScope.newSubManager()) {
      NDList inputs = new NDList();
      NDList gradients = new NDList();
      for (ProbedModel.Call call : layer.calls()) {
        NDArray gradient = call.gradient();
        if (gradient == null) {
          int first = positions.get(parameters.values().iterator().next());
          throw noGradient(weights.get(first).name());
        }
        gradient.attach(scope);
        inputs.add(call.input());
        gradients.add(gradient);
      }
      // Not attached for good: another layer may have the same input.
      scope.tempAttachAll(inputs);
      if (inputs.size() == 1) {
        add(layer.form().squares(inputs.get(0), gradients.get(0)), parameters, positions, totals);
      } else {
        addShared(layer, inputs, gradients, parameters, positions, totals);
      }
    }
  }

  /** A layer that ran more than once: a sample's gradients add up before they are squared. */
  private void addShared(
      ProbedModel.Layer layer,
      NDList inputs,
      NDList gradients,
      Map<String, NDArray> parameters,
      Map<NDArray, Integer> positions,
      NDList totals) {
    long samples = inputs.get(0).getShape().get(0);
    long bytes = 0;
    for (NDArray parameter : parameters.values()) {
      bytes += parameter.getShape().size() * model.dataType().getNumOfBytes();
    }
    long step = Math.max(1, Math.min(samples, SHARED_BYTES / bytes));
    for (long from = 0; from < samples; from += step) {
      NDIndex part = new NDIndex().addSliceDim(from, Math.min(samples, from + step));
      try (NDManager scope = inputs.getManager().newSubManager()) {
        scope.tempAttachAll(inputs, gradients);
        Map<String, NDArray> total = new TreeMap<>();
        for (int call = 0; call < inputs.size(); call++) {
          layer
              .form()
              .perSample(inputs.get(call).get(part), gradients.get(call).get(part))
              .forEach((name, value) -> total.merge(name, value, NDArray::add));
        }
        total.replaceAll((name, value) -> value.square().sum(new int[] {0}));
        add(total, parameters, positions, totals);
      }
    }
  }

  private static void add(
      Map<String, NDArray> squares,
      Map<String, NDArray> parameters,
      Map<NDArray, Integer> positions,
      NDList totals) {
    squares.forEach(
        (name, square) -> {
          Integer position = positions.get(parameters.get(name));
          if (position == null) {
            return; // frozen, or computed from other parameters
          }
          NDArray total = totals.get(position);
          total.addi(square.reshape(total.getShape()));
        });
  }

  private static void backward(NDArray loss) {
    if (!Double.isFinite(loss.toType(DataType.FLOAT64, true).getDouble())) {
      throw new UnlearningException("a sample's loss is not a finite number");
    }
    GradientMode.backward(loss);
  }

  private static UnlearningException noGradient(String parameter) {
    return new UnlearningException(
        "parameter %s received no gradient: it does not reach the loss".formatted(parameter));
  }

  private FisherAccumulator newAccumulator() {
    return new FisherAccumulator(
        weights.stream().map(LoadedModel.Weight::name).toList(),
        weights.stream().map(LoadedModel.Weight::shape).toList());
  }
}
