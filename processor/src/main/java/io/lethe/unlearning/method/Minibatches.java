package io.lethe.unlearning.method;

import io.lethe.unlearning.Sampling;

/** Endless minibatches: each pass over the samples in a new seeded order. */
final class Minibatches {
  private final int[] samples;
  private final int size;
  private final long seed;
  private int[] order = new int[0];
  private int at;
  private int pass;

  /**
   * @param size of a minibatch, capped at the number of samples
   */
  Minibatches(int[] samples, int size, long seed) {
    this.samples = samples;
    this.size = Math.min(size, samples.length);
    this.seed = seed;
  }

  /** The next samples; one that begins a new pass may follow one that ended the last. */
  int[] next() {
    int[] batch = new int[size];
    for (int i = 0; i < size; i++) {
      if (at == order.length) {
        order = Sampling.shuffle(samples, Sampling.mix(seed, pass++));
        at = 0;
      }
      batch[i] = order[at++];
    }
    return batch;
  }

  /** Minibatches that make so many passes, rounded up. */
  int steps(int epochs) {
    return epochs * ((samples.length + size - 1) / Math.max(1, size));
  }
}
