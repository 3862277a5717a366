package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.events.ModelFormat;
import io.lethe.fisher.FisherAccumulator;
import io.lethe.model.ComputeThreads;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.model.ModelException;
import io.lethe.model.TorchScriptModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * One sample's gradient at a time, squared and added up: the definition of the diagonal, the
 * reference, and the way for what has no fast form.
 *
 * <p>Single samples leave most threads idle. So a TorchScript module, which can be copied, runs in
 * as many copies as PyTorch has threads, each with one thread and a share of the samples in a row;
 * the copies' sums are added in order, so that the same number of threads gives the same bytes.
 * Each copy takes the memory of the model and of its sums: there are no more than 2 GiB hold. A DJL
 * block cannot be copied by the program and is run as it is, and so is anything on a GPU.
 */
final class SampleLoop {
  /** Memory for copies of a model and their sums. */
  private static final long COPIES_BYTES = 2L << 30;

  /** A weight, its gradient, its float32 and its float64 sum, and a square. */
  private static final int BYTES_PER_PARAMETER = 24;

  private final LoadedModel model;
  private final List<LoadedModel.Weight> weights;

  SampleLoop(LoadedModel model) {
    this.model = model;
    weights = model.weights();
  }

  /** How many copies share so many samples. */
  static int threads(LoadedModel model, int samples) {
    if (!(model instanceof TorchScriptModel) || model.manager().getDevice().isGpu()) {
      return 1;
    }
    long parameters = model.weights().stream().mapToLong(weight -> weight.array().size()).sum();
    long held = COPIES_BYTES / (BYTES_PER_PARAMETER * parameters);
    return (int) Math.max(1, Math.min(ComputeThreads.get(), Math.min(samples, held)));
  }

  /**
   * Adds the samples' squares.
   *
   * @throws UnlearningException naming a parameter that received no gradient, or when a loss is not
   *     finite
   */
  void add(SampleDataset dataset, int[] samples, SquareSums sums, Progress progress) {
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
          NDArray loss = CrossEntropy.perSample(logits, xy.get(1)).sum();
          FisherComputer.requireFinite(loss);
          GradientMode.backward(loss);
          sums.add(squares(reached, scope));
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
        throw FisherComputer.noGradient(weights.get(t).name());
      }
    }
  }

  private NDArray[] squares(boolean[] reached, NDManager scope) {
    NDArray[] squares = new NDArray[weights.size()];
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < squares.length; t++) {
        PtNDArray gradient = JniUtils.getGradient((PtNDArray) weights.get(t).array());
        if (gradient != null) {
          reached[t] = true;
          gradient.attach(scope);
          squares[t] = gradient.square();
        }
      }
    }
    return squares;
  }

  /**
   * Adds the samples' squares by copies of the model, as it is now.
   *
   * @param progress called by this thread; what it throws ends all
   */
  static void addOnCopies(
      TorchScriptModel model,
      int threads,
      SampleDataset dataset,
      int[] samples,
      FisherAccumulator sums,
      Progress progress) {
    Path file = copy(model);
    ExecutorService executor = Executors.newFixedThreadPool(threads);
    LinkedBlockingQueue<Boolean> done =
        new LinkedBlockingQueue<>(); // a sample, or false: a failure
    int intraOp = ComputeThreads.get();
    List<Future<Consumer<FisherAccumulator>>> shares = new ArrayList<>();
    try {
      for (int t = 0; t < threads; t++) {
        int[] share =
            Arrays.copyOfRange(
                samples,
                (int) ((long) samples.length * t / threads),
                (int) ((long) samples.length * (t + 1) / threads));
        shares.add(executor.submit(() -> share(file, dataset, share, done)));
      }
      for (int s = 1; s <= samples.length; s++) {
        if (!done.take()) {
          executor.shutdownNow();
          break;
        }
        progress.at(JobStage.FISHER, s, samples.length);
      }
      for (Consumer<FisherAccumulator> share : results(shares)) {
        share.accept(sums);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw (CancellationException) new CancellationException("interrupted").initCause(e);
    } finally {
      end(executor);
      ComputeThreads.set(intraOp); // threads to come begin with what was set last
      delete(file);
    }
  }

  /** Throws the reason of a failure, not what it did to the other shares. */
  private static List<Consumer<FisherAccumulator>> results(
      List<Future<Consumer<FisherAccumulator>>> shares) throws InterruptedException {
    List<Consumer<FisherAccumulator>> results = new ArrayList<>();
    RuntimeException reason = null;
    for (Future<Consumer<FisherAccumulator>> share : shares) {
      try {
        results.add(share.get());
      } catch (ExecutionException e) {
        if (reason == null || reason instanceof CancellationException) {
          reason =
              e.getCause() instanceof RuntimeException cause
                  ? cause
                  : new IllegalStateException(e.getCause());
        }
      }
    }
    if (reason != null) {
      throw reason;
    }
    return results;
  }

  /** Sums of a share of the samples by a copy of its own; what comes back adds them to others. */
  private static Consumer<FisherAccumulator> share(
      Path file, SampleDataset dataset, int[] samples, LinkedBlockingQueue<Boolean> done) {
    ComputeThreads.set(1);
    try (LoadedModel copy = LoadedModel.load(file, ModelFormat.TORCHSCRIPT);
        NDManager job = copy.manager().newSubManager()) {
      SquareSums sums = new SquareSums(job, copy.weights());
      new SampleLoop(copy)
          .add(
              dataset,
              samples,
              sums,
              (stage, at, total) -> {
                if (Thread.currentThread().isInterrupted()) {
                  throw new CancellationException("another share ended the loop");
                }
                done.add(true);
              });
      double[][] values =
          Arrays.stream(sums.totals()).map(NDArray::toDoubleArray).toArray(double[][]::new);
      return others -> {
        for (int t = 0; t < values.length; t++) {
          others.add(t, values[t]);
        }
      };
    } catch (RuntimeException e) {
      done.add(false);
      throw e;
    }
  }

  private static Path copy(TorchScriptModel model) {
    try {
      Path file = Files.createTempFile("lethe-", ".pt");
      model.write(file);
      return file;
    } catch (IOException e) {
      throw new ModelException("the model cannot be copied: " + e.getMessage(), e);
    }
  }

  /**
   * Shares that still run end at their next sample, and are waited for: they hold native memory.
   */
  private static void end(ExecutorService executor) {
    executor.shutdownNow();
    boolean interrupted = false;
    while (!executor.isTerminated()) {
      try {
        executor.awaitTermination(1, TimeUnit.MINUTES);
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new ModelException("a temporary copy cannot be deleted: " + e.getMessage(), e);
    }
  }
}
