package io.lethe.unlearning;

import java.util.List;

/** A way to make a model forget. Deterministic: the same task gives the same weights. */
public interface UnlearningMethod {
  /** Name in a policy's ladder. */
  String name();

  /** Whether the task holds what this method needs. */
  default boolean canApply(UnlearningTask task) {
    return true;
  }

  /** Changes the task's model. Running statistics stay as they are. */
  Applied apply(UnlearningTask task);

  /** What spends the same budget without knowing what to forget. */
  UnlearningMethod control(Applied applied);

  /**
   * What a method did.
   *
   * @param selected number of weights selected in each tensor, in the model's order
   * @param weights number of all weights
   * @param methodSeconds selecting and changing weights
   * @param repairSeconds fine-tuning
   */
  record Applied(List<Integer> selected, long weights, double methodSeconds, double repairSeconds) {
    /** Share of the weights that was selected. */
    public double selectedFraction() {
      return (double) selected.stream().mapToLong(Integer::longValue).sum() / weights;
    }
  }
}
