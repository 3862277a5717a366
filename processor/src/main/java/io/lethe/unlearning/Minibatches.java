package io.lethe.unlearning;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.LoadedModel;
import java.util.Arrays;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * Samples in minibatches. For a GPU the next one is read, normalised and brought to the device
 * while the one before is computed on. On a CPU all cores compute, and a reader beside them only
 * takes one away from time to time (measured on two: a small network lost a tenth of its rate). One
 * thread takes; closing waits for what is being read.
 */
final class Minibatches implements AutoCloseable {
  private final LoadedModel model;
  private final SampleDataset dataset;
  private final int[] samples;
  private final boolean ahead;
  private final ExecutorService reader =
      Executors.newSingleThreadExecutor(
          work -> {
            Thread thread = new Thread(work, "lethe-minibatches");
            thread.setDaemon(true);
            return thread;
          });
  private Future<Minibatch> next;

  /**
   * Samples at positions {@code from} to {@code from + size − 1} of the list.
   *
   * @param scope owns the arrays and what is computed of them; closed with this
   * @param xy as {@link SampleDataset#batch} gives them
   */
  record Minibatch(NDManager scope, NDList xy, int from, int size) implements AutoCloseable {
    @Override
    public void close() {
      scope.close();
    }
  }

  Minibatches(LoadedModel model, SampleDataset dataset, int[] samples) {
    this(model, dataset, samples, model.manager().getDevice().isGpu());
  }

  /**
   * @param ahead whether the next one is read beforehand
   */
  Minibatches(LoadedModel model, SampleDataset dataset, int[] samples, boolean ahead) {
    this.model = model;
    this.dataset = dataset;
    this.samples = samples;
    this.ahead = ahead;
  }

  /**
   * The minibatch of at most so many samples from a position on; the caller closes it. The next one
   * is expected to be as large and to follow it, but need not.
   */
  Minibatch take(int from, int most) {
    Minibatch taken = take(from);
    if (taken == null || taken.size != size(from, most)) {
      if (taken != null) {
        taken.close();
      }
      taken = read(from, size(from, most));
    }
    int after = from + taken.size;
    if (ahead && after < samples.length) {
      next = reader.submit(() -> read(after, size(after, most)));
    }
    return taken;
  }

  private int size(int from, int most) {
    return Math.min(most, samples.length - from);
  }

  /** What was read ahead, where it is of this position. */
  private Minibatch take(int from) {
    if (next == null) {
      return null;
    }
    Future<Minibatch> reading = next;
    next = null;
    Minibatch read = await(reading);
    if (read.from == from) {
      return read;
    }
    read.close();
    return null;
  }

  private Minibatch read(int from, int size) {
    NDManager scope = model.manager().newSubManager();
    try {
      return new Minibatch(
          scope, dataset.batch(scope, Arrays.copyOfRange(samples, from, from + size)), from, size);
    } catch (RuntimeException e) {
      scope.close();
      throw e;
    }
  }

  private static Minibatch await(Future<Minibatch> reading) {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return reading.get();
        } catch (InterruptedException e) {
          interrupted = true; // it takes milliseconds; whoever is told of progress ends the job
        }
      }
    } catch (ExecutionException e) {
      throw e.getCause() instanceof RuntimeException cause
          ? cause
          : new IllegalStateException(e.getCause());
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  @Override
  public void close() {
    reader.shutdown();
    if (next != null) {
      try {
        await(next).close();
      } catch (RuntimeException e) {
        // What could not be read is not needed any more.
      }
    }
  }
}
