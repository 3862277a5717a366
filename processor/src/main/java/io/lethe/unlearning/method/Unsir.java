package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Adam;
import io.lethe.unlearning.CrossEntropy;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe.Schedule;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.IntStream;

/**
 * Unlearning by selective impair and repair (Tarun et al. 2023, IEEE TNNLS, arXiv 2111.08947):
 * makes a model forget whole classes without their samples, which may be gone.
 *
 * <p>Noise (its equation 2): for each class c a batch n ~ N(0, 1) is moved by Adam to
 *
 * <pre>
 *   min_n  −mean CE(f(n), c) + p · mean ‖n‖²
 * </pre>
 *
 * with the model frozen, so that f errs most on it. Impair: one pass over the noise, labelled c and
 * repeated, mixed with retained samples. Repair: one pass over the retained samples alone. Of the
 * dataset only labels and retained samples are read. Running statistics stay as they are.
 *
 * <p>The control does the same with noise as it was drawn.
 */
public final class Unsir implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "unsir";

  /**
   * Hyperparameters. The authors' code moves running statistics along, here they stay; with its
   * rates a network of a few layers loses a sixth of what it must keep. So the defaults are the
   * authors' but for the rates, which are a tenth of theirs; see docs/comparison.md.
   *
   * @param noiseBatch noise images per class, ≥ 1; 256
   * @param noiseSteps updates of the noise, ≥ 0; 40
   * @param noiseRate Adam's rate for the noise, > 0; 0.1
   * @param noisePenalty p, weight of the squared norm, ≥ 0; 0.1
   * @param noiseRepeats how often the noise enters the impair step, ≥ 1; 20
   * @param retainPerClass retained samples of each other class, ≥ 1; 1000
   * @param batch samples per step, ≥ 1; 256
   * @param impairEpochs passes of the impair step, ≥ 1; 1
   * @param impairRate Adam's rate there, > 0; 0.002
   * @param repairEpochs passes of the repair step, ≥ 0; 1
   * @param repairRate Adam's rate there, > 0; 0.001
   */
  public record Parameters(
      int noiseBatch,
      int noiseSteps,
      double noiseRate,
      double noisePenalty,
      int noiseRepeats,
      int retainPerClass,
      int batch,
      int impairEpochs,
      double impairRate,
      int repairEpochs,
      double repairRate) {
    /** The defaults. */
    public static final Parameters DEFAULT =
        new Parameters(256, 40, 0.1, 0.1, 20, 1000, 256, 1, 0.002, 1, 0.001);

    /** Those of the authors' code. */
    public static final Parameters AUTHORS =
        new Parameters(256, 40, 0.1, 0.1, 20, 1000, 256, 1, 0.02, 1, 0.01);

    public Parameters {
      Ranges.atLeast("noiseBatch", noiseBatch, 1);
      Ranges.atLeast("noiseSteps", noiseSteps, 0);
      Ranges.positive("noiseRate", noiseRate);
      Ranges.notNegative("noisePenalty", noisePenalty);
      Ranges.atLeast("noiseRepeats", noiseRepeats, 1);
      Ranges.atLeast("retainPerClass", retainPerClass, 1);
      Ranges.atLeast("batch", batch, 1);
      Ranges.atLeast("impairEpochs", impairEpochs, 1);
      Ranges.positive("impairRate", impairRate);
      Ranges.atLeast("repairEpochs", repairEpochs, 0);
      Ranges.positive("repairRate", repairRate);
    }
  }

  private final Parameters parameters;
  private final boolean maximiseError;

  public Unsir(Parameters parameters) {
    this(parameters, true);
  }

  private Unsir(Parameters parameters, boolean maximiseError) {
    this.parameters = parameters;
    this.maximiseError = maximiseError;
  }

  @Override
  public String name() {
    return maximiseError ? NAME : "plain-noise";
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.wholeClasses(task);
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    int[] retained = retained(task);
    try (NDManager job = task.model().manager().newSubManager()) {
      NDList noise = noise(task, job);
      double made = FineTuning.since(start);
      impair(task, noise, retained);
      repair(task, retained);
      return FineTuning.applied(task.model(), made, FineTuning.since(start) - made);
    }
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Unsir(parameters, false);
  }

  /** Retained samples of the other classes, at most so many of each. */
  private int[] retained(UnlearningTask task) {
    int[] pool = task.repairPool();
    int[] chosen =
        IntStream.range(0, task.dataset().classes())
            .filter(label -> !task.forgetClasses().contains(label))
            .flatMap(
                label ->
                    Arrays.stream(
                        Sampling.choose(
                            Arrays.stream(pool)
                                .filter(index -> task.dataset().label(index) == label)
                                .toArray(),
                            parameters.retainPerClass(),
                            Sampling.mix(task.seed(), Sampling.RESERVOIR))))
            .toArray();
    if (chosen.length == 0) {
      throw new UnlearningException("unsir needs retained samples of other classes");
    }
    return chosen;
  }

  /**
   * Error-maximising noise.
   *
   * @param job owns it
   * @return x (classes · noiseBatch, C, H, W) of the model's type and y int64
   */
  NDList noise(UnlearningTask task, NDManager job) {
    Random random = new Random(Sampling.mix(task.seed(), Sampling.INIT));
    NDList images = new NDList();
    NDList labels = new NDList();
    for (int label : new TreeSet<>(task.forgetClasses())) {
      Shape shape = new Shape(parameters.noiseBatch()).addAll(task.dataset().sampleShape());
      float[] drawn = new float[(int) shape.size()];
      for (int i = 0; i < drawn.length; i++) {
        drawn[i] = (float) random.nextGaussian();
      }
      NDArray image = job.create(drawn, shape).toType(task.model().dataType(), true);
      long[] same = new long[parameters.noiseBatch()];
      Arrays.fill(same, label);
      NDArray y = job.create(same);
      if (maximiseError) {
        maximiseError(task, image, y);
      }
      images.add(image);
      labels.add(y);
    }
    return new NDList(NDArrays.concat(images), NDArrays.concat(labels));
  }

  private void maximiseError(UnlearningTask task, NDArray image, NDArray labels) {
    LoadedModel model = task.model();
    try (GradientMode on = GradientMode.on();
        Adam adam = Adam.over(model.manager(), List.of(image))) {
      for (int step = 0; step < parameters.noiseSteps(); step++) {
        try (NDManager scope = model.manager().newSubManager()) {
          scope.tempAttachAll(image, labels);
          NDArray error = CrossEntropy.perSample(model.logits(image), labels).mean();
          NDArray norm = image.square().sum(new int[] {1, 2, 3}).mean();
          adam.step(norm.mul(parameters.noisePenalty()).sub(error), parameters.noiseRate());
        }
        task.progress().at(JobStage.METHOD, step + 1L, parameters.noiseSteps());
      }
    }
  }

  /** Items below the number of retained samples are these; the others are noise, repeated. */
  private void impair(UnlearningTask task, NDList noise, int[] retained) {
    LoadedModel model = task.model();
    int rows = (int) noise.get(0).getShape().get(0);
    int[] items = IntStream.range(0, retained.length + rows * parameters.noiseRepeats()).toArray();
    Minibatches mixed =
        new Minibatches(items, parameters.batch(), Sampling.mix(task.seed(), Sampling.FORGET));
    try (Adam adam = new Adam(model, null, 0)) {
      FineTuning.run(
          task,
          adam,
          mixed.steps(parameters.impairEpochs()),
          Schedule.CONSTANT,
          parameters.impairRate(),
          scope -> {
            NDList xy = mix(task, scope, noise, rows, retained, mixed.next());
            return CrossEntropy.perSample(model.logits(xy.get(0)), xy.get(1)).mean();
          });
    }
  }

  private static NDList mix(
      UnlearningTask task, NDManager scope, NDList noise, int rows, int[] retained, int[] items) {
    int[] real =
        Arrays.stream(items).filter(i -> i < retained.length).map(i -> retained[i]).toArray();
    int[] drawn =
        Arrays.stream(items)
            .filter(i -> i >= retained.length)
            .map(i -> (i - retained.length) % rows)
            .toArray();
    scope.tempAttachAll(noise);
    NDArray at = scope.create(drawn).toType(DataType.INT64, false);
    NDList some = new NDList(noise.get(0).get(at), noise.get(1).get(at));
    if (real.length == 0) {
      return some;
    }
    NDList xy = task.dataset().batch(scope, real);
    NDArray x = xy.get(0).toType(task.model().dataType(), false);
    return drawn.length == 0
        ? new NDList(x, xy.get(1))
        : new NDList(x.concat(some.get(0), 0), xy.get(1).concat(some.get(1), 0));
  }

  private void repair(UnlearningTask task, int[] retained) {
    if (parameters.repairEpochs() == 0) {
      return;
    }
    Minibatches batches =
        new Minibatches(retained, parameters.batch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    try (Adam adam = new Adam(task.model(), null, 0)) {
      FineTuning.run(
          task,
          adam,
          batches.steps(parameters.repairEpochs()),
          Schedule.CONSTANT,
          parameters.repairRate(),
          scope -> Losses.crossEntropy(task, scope, batches.next()));
    }
  }
}
