package io.lethe.unlearning;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.ModelFormat;
import io.lethe.model.ComputeThreads;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletionService;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorCompletionService;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.IntStream;

/**
 * K-fold cross-fitting: K models, each trained without its fold by the model's own recipe, give
 * every sample the output of a model that never saw it.
 *
 * <p>Folds are split by data subject: a model that saw the subject's other samples has seen the
 * subject. Costs about K − 1 trainings, once per anchor. Deterministic; a fold depends on no other,
 * so that folds may be run and resumed one at a time.
 */
public final class CrossFit {
  private static final int BATCH = 256;

  private final Supplier<LoadedModel> untrained;
  private final TrainingRecipe recipe;
  private final int folds;

  /**
   * @param untrained makes a model with its initial weights; each call a new one, closed here
   * @param recipe how it is trained
   * @param folds K, at least 2
   */
  public CrossFit(Supplier<LoadedModel> untrained, TrainingRecipe recipe, int folds) {
    if (folds < 2) {
      throw new IllegalArgumentException("cross-fitting takes at least 2 folds, not " + folds);
    }
    this.untrained = untrained;
    this.recipe = recipe;
    this.folds = folds;
  }

  /**
   * Splits samples into folds of whole subjects and nearly equal size.
   *
   * @param subjectOf the subject of a position; what gives each position another string splits by
   *     sample
   * @return for each fold its positions, ascending
   */
  public List<int[]> split(int[] samples, IntFunction<String> subjectOf, long seed) {
    TreeMap<String, List<Integer>> bySubject = new TreeMap<>();
    for (int sample : samples) {
      bySubject.computeIfAbsent(subjectOf.apply(sample), s -> new ArrayList<>()).add(sample);
    }
    if (bySubject.size() < folds) {
      throw new UnlearningException(
          "%d data subjects are too few for %d folds".formatted(bySubject.size(), folds));
    }
    List<List<Integer>> subjects = new ArrayList<>(bySubject.values());
    Collections.shuffle(subjects, new Random(seed));
    List<List<Integer>> split = new ArrayList<>();
    for (int fold = 0; fold < folds; fold++) {
      split.add(new ArrayList<>());
    }
    for (List<Integer> subject : subjects) {
      smallest(split).addAll(subject);
    }
    return positions(split);
  }

  /**
   * For each fold what its model says something about: its own samples, and of those that no model
   * is trained on the ones of its subjects. Where a subject has no other samples every model is one
   * that never saw it: the smallest fold takes it.
   *
   * @param split see {@link #split}
   * @param others samples that are in no fold
   * @return for each fold positions, ascending
   */
  public static List<int[]> predicted(
      List<int[]> split, int[] others, IntFunction<String> subjectOf) {
    List<List<Integer>> predicted = new ArrayList<>();
    Map<String, List<Integer>> bySubject = new HashMap<>();
    for (int[] fold : split) {
      List<Integer> samples = new ArrayList<>();
      for (int sample : fold) {
        samples.add(sample);
        bySubject.put(subjectOf.apply(sample), samples);
      }
      predicted.add(samples);
    }
    for (int sample : others) {
      bySubject.computeIfAbsent(subjectOf.apply(sample), s -> smallest(predicted)).add(sample);
    }
    return positions(predicted);
  }

  private static List<Integer> smallest(List<List<Integer>> folds) {
    return folds.stream().min((a, b) -> Integer.compare(a.size(), b.size())).orElseThrow();
  }

  private static List<int[]> positions(List<List<Integer>> folds) {
    return folds.stream()
        .map(fold -> fold.stream().mapToInt(Integer::intValue).sorted().toArray())
        .toList();
  }

  /** All folds. */
  public HeldOutTargets run(
      SampleDataset dataset,
      int[] samples,
      IntFunction<String> subjectOf,
      long seed,
      Progress progress) {
    List<int[]> split = split(samples, subjectOf, seed);
    float[][] predicted = new float[folds][];
    folds(
        dataset,
        split,
        IntStream.range(0, folds).toArray(),
        progress,
        (fold, logits) -> predicted[fold] = logits);
    int classes = predicted[0].length / split.get(0).length;
    float[] logits = new float[samples.length * classes];
    int[] order = new int[samples.length];
    int done = 0;
    for (int fold = 0; fold < folds; fold++) {
      System.arraycopy(split.get(fold), 0, order, done, split.get(fold).length);
      System.arraycopy(predicted[fold], 0, logits, done * classes, predicted[fold].length);
      done += split.get(fold).length;
    }
    return HeldOutTargets.of(classes, order, logits);
  }

  /** Told of each fold as it is done. */
  @FunctionalInterface
  public interface Ready {
    /**
     * @param logits of what the fold's model was asked about (samples, classes), row-major
     */
    void fold(int fold, float[] logits);
  }

  /** As below, each fold's model asked about the fold alone. */
  public void folds(
      SampleDataset dataset, List<int[]> split, int[] wanted, Progress progress, Ready ready) {
    folds(dataset, split, split, wanted, progress, ready);
  }

  /**
   * Some folds. Several at once on a CPU, each with its share of this thread's compute threads: a
   * small network gains little from threads within its layers (two folds of the demo's network at
   * once, on two cores: 8,900 samples/s in place of 4,200). One after the other on a GPU, and for
   * TorchScript, whose dropout draws from a generator of which a process has one. A fold's logits
   * do not depend on which others are wanted.
   *
   * @param split see {@link #split}
   * @param predicted for each fold the samples that its model is asked about: none that are in
   *     another one, on which it is trained
   * @param wanted numbers of folds, each once
   * @param progress over all wanted folds; called by one thread at a time
   * @param ready called in this thread, in the order in which folds get done
   */
  public void folds(
      SampleDataset dataset,
      List<int[]> split,
      List<int[]> predicted,
      int[] wanted,
      Progress progress,
      Ready ready) {
    int all = ComputeThreads.get();
    int threads = areIndependent() ? Math.min(folds, all) : 1;
    JointProgress joint = new JointProgress(progress, wanted.length);
    if (threads < 2) {
      for (int fold : wanted) {
        ready.fold(fold, fold(dataset, split, predicted.get(fold), fold, joint.part()));
      }
      return;
    }
    ExecutorService pool = Executors.newFixedThreadPool(threads, CrossFit::thread);
    try {
      CompletionService<Runnable> running = new ExecutorCompletionService<>(pool);
      for (int fold : wanted) {
        Progress part = joint.part();
        running.submit(
            () -> {
              ComputeThreads.set(all / threads);
              float[] logits = fold(dataset, split, predicted.get(fold), fold, part);
              return () -> ready.fold(fold, logits);
            });
      }
      for (int done = 0; done < wanted.length; done++) {
        next(running).run();
      }
    } finally {
      joint.cancel();
      pool.shutdownNow();
      awaitEnd(pool);
      ComputeThreads.set(all);
    }
  }

  private boolean areIndependent() {
    try (LoadedModel model = untrained.get()) {
      return model.format() == ModelFormat.DJL && !model.manager().getDevice().isGpu();
    }
  }

  private static Thread thread(Runnable task) {
    Thread thread = new Thread(task, "lethe-fold");
    thread.setDaemon(true);
    return thread;
  }

  private static Runnable next(CompletionService<Runnable> running) {
    try {
      return running.take().get();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new CancellationException("interrupted while cross-fitting");
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Error error) {
        throw error;
      }
      throw (RuntimeException) e.getCause(); // a fold throws nothing checked
    }
  }

  /** Models are closed by the threads that train them: none may outlive the call. */
  private static void awaitEnd(ExecutorService pool) {
    boolean interrupted = false;
    while (!pool.isTerminated()) {
      try {
        pool.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /**
   * One fold: trains on all the others.
   *
   * @return logits of the fold's samples (samples, classes), row-major
   */
  public float[] fold(SampleDataset dataset, List<int[]> split, int fold, Progress progress) {
    return fold(dataset, split, split.get(fold), fold, progress);
  }

  private float[] fold(
      SampleDataset dataset, List<int[]> split, int[] predicted, int fold, Progress progress) {
    int[] others =
        split.stream()
            .filter(part -> part != split.get(fold))
            .flatMapToInt(Arrays::stream)
            .sorted()
            .toArray();
    try (LoadedModel model = untrained.get()) {
      new Trainer(recipe).train(model, dataset, others, progress);
      return logits(model, dataset, predicted);
    }
  }

  /**
   * How many classes a model tells apart, which may be more than a dataset has samples of: one
   * forward pass.
   */
  public static int outputs(LoadedModel model, SampleDataset dataset) {
    return logits(model, dataset, new int[] {0}).length;
  }

  /** Logits of samples in eval mode, (samples, the model's outputs), row-major. */
  public static float[] logits(LoadedModel model, SampleDataset dataset, int[] samples) {
    float[] all = new float[0];
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = model.manager().newSubManager()) {
          NDList xy = dataset.batch(scope, batch);
          float[] rows =
              model
                  .logits(xy.get(0).toType(model.dataType(), false))
                  .toType(DataType.FLOAT32, false)
                  .toFloatArray();
          int classes = rows.length / batch.length;
          if (from == 0) {
            all = new float[samples.length * classes];
          }
          System.arraycopy(rows, 0, all, from * classes, rows.length);
        }
      }
    }
    return all;
  }
}
