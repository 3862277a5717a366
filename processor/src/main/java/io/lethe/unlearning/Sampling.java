package io.lethe.unlearning;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Random;
import java.util.stream.IntStream;

/** Seeded choices of samples. Each purpose has a stream of its own, so that none moves another. */
public final class Sampling {
  /** Retained samples that are measured. */
  public static final long RETAIN = 1;

  /** Holdout samples that are measured. */
  public static final long HOLDOUT = 2;

  /** Retained samples that a repair trains on. */
  public static final long RESERVOIR = 3;

  /** Their order. */
  public static final long REPAIR = 4;

  /** Weights of a random mask. */
  public static final long MASK = 5;

  /** Order of the forget samples. */
  public static final long FORGET = 6;

  /** Samples that a method measures itself on while it runs. */
  public static final long CALIBRATION = 7;

  /** Retained samples that a control takes for its forget set. */
  public static final long DECOY = 8;

  /** Weights and noise that a method draws. */
  public static final long INIT = 9;

  /** Samples that earlier jobs erased, of those that are measured apart from the forget set. */
  public static final long EARLIER = 10;

  private Sampling() {}

  /** SplitMix64's finaliser over a seed and a stream. */
  public static long mix(long seed, long stream) {
    long z = seed * 0x9E3779B97F4A7C15L + stream * 0xD1B54A32D192ED03L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }

  /** At most {@code count} of the pool, each equally likely, in the pool's order. */
  public static int[] choose(int[] pool, int count, long seed) {
    if (pool.length <= count) {
      return pool.clone();
    }
    int[] positions = IntStream.range(0, pool.length).toArray();
    Random random = new Random(seed);
    for (int i = 0; i < count; i++) {
      swap(positions, i, i + random.nextInt(positions.length - i));
    }
    int[] chosen = Arrays.copyOf(positions, count);
    Arrays.sort(chosen);
    return Arrays.stream(chosen).map(position -> pool[position]).toArray();
  }

  /** A shuffled copy. */
  public static int[] shuffle(int[] pool, long seed) {
    int[] shuffled = pool.clone();
    Random random = new Random(seed);
    for (int i = shuffled.length - 1; i > 0; i--) {
      swap(shuffled, i, random.nextInt(i + 1));
    }
    return shuffled;
  }

  /** Whether a sample serves as holdout where none is given: a tenth, whatever was erased. */
  public static boolean isStandInHoldout(int index, long seed) {
    return Long.remainderUnsigned(mix(mix(seed, HOLDOUT), index), 10) == 0;
  }

  /** 0 to {@code size - 1} without the given positions. */
  public static int[] complement(int size, int[]... without) {
    BitSet excluded = new BitSet(size);
    for (int[] some : without) {
      for (int index : some) {
        excluded.set(index);
      }
    }
    return IntStream.range(0, size).filter(index -> !excluded.get(index)).toArray();
  }

  private static void swap(int[] values, int i, int j) {
    int value = values[i];
    values[i] = values[j];
    values[j] = value;
  }
}
