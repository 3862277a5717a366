package io.lethe.unlearning;

import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/**
 * What models that never saw a sample say about it: the targets of unlearning, known in advance.
 *
 * <p>Immutable. A target is deleted with its sample by leaving it out of {@link #of}.
 */
public final class HeldOutTargets {
  private final int classes;
  private final Map<Integer, float[]> logits;

  private HeldOutTargets(int classes, Map<Integer, float[]> logits) {
    this.classes = classes;
    this.logits = logits;
  }

  /**
   * @param samples positions in the training dataset, distinct
   * @param logits for each of them {@code classes} unnormalised log-probabilities, in a row
   */
  public static HeldOutTargets of(int classes, int[] samples, float[] logits) {
    if (classes < 2 || logits.length != (long) samples.length * classes) {
      throw new IllegalArgumentException(
          "%d logits for %d samples of %d classes"
              .formatted(logits.length, samples.length, classes));
    }
    Map<Integer, float[]> bySample = new HashMap<>();
    for (int i = 0; i < samples.length; i++) {
      float[] row = Arrays.copyOfRange(logits, i * classes, (i + 1) * classes);
      for (float value : row) {
        if (!Float.isFinite(value)) {
          throw new IllegalArgumentException("a held-out logit is not a finite number");
        }
      }
      if (bySample.put(samples[i], row) != null) {
        throw new IllegalArgumentException("two held-out targets for one sample");
      }
    }
    return new HeldOutTargets(classes, bySample);
  }

  public int classes() {
    return classes;
  }

  /** Number of samples that have a target. */
  public int size() {
    return logits.size();
  }

  /** The samples that have a target: positions in the training dataset, ascending. */
  public int[] samples() {
    return logits.keySet().stream().mapToInt(Integer::intValue).sorted().toArray();
  }

  /** The same targets, every logit multiplied by a positive factor. */
  HeldOutTargets scaled(double factor) {
    Map<Integer, float[]> bySample = new HashMap<>();
    logits.forEach(
        (sample, row) -> {
          float[] scaled = row.clone();
          for (int c = 0; c < classes; c++) {
            scaled[c] = (float) (factor * row[c]);
          }
          bySample.put(sample, scaled);
        });
    return new HeldOutTargets(classes, bySample);
  }

  /** Whether each of the samples has a target. */
  public boolean cover(int[] samples) {
    return Arrays.stream(samples).allMatch(logits::containsKey);
  }

  /**
   * @return (samples, classes) row-major
   * @throws UnlearningException when one has no target
   */
  public float[] logits(int[] samples) {
    float[] rows = new float[samples.length * classes];
    for (int i = 0; i < samples.length; i++) {
      float[] row = logits.get(samples[i]);
      if (row == null) {
        throw new UnlearningException("a sample to forget has no held-out target");
      }
      System.arraycopy(row, 0, rows, i * classes, classes);
    }
    return rows;
  }
}
