package io.lethe.unlearning;

import java.util.List;
import java.util.Optional;

/** A way to make a model forget. Deterministic: the same task gives the same weights. */
public interface UnlearningMethod {
  /** Name in a policy's ladder. */
  String name();

  /**
   * What the task lacks that this method needs, in a few words that follow "needs"; empty where it
   * can be applied.
   */
  default Optional<String> missing(UnlearningTask task) {
    return Optional.empty();
  }

  /** Whether the task holds what this method needs. */
  default boolean canApply(UnlearningTask task) {
    return missing(task).isEmpty();
  }

  /**
   * Changes the task's model. Running statistics stay as they are, unless the method trains a model
   * from nothing.
   *
   * @throws UnlearningException when the task lacks what {@link #missing} says, or when weights are
   *     not finite any more
   */
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
   * @param trials thresholds that a search tried, in its order; empty where nothing was searched
   */
  record Applied(
      List<Integer> selected,
      long weights,
      double methodSeconds,
      double repairSeconds,
      List<Trial> trials) {
    public Applied {
      selected = List.copyOf(selected);
      trials = List.copyOf(trials);
    }

    /** Without a search. */
    public Applied(
        List<Integer> selected, long weights, double methodSeconds, double repairSeconds) {
      this(selected, weights, methodSeconds, repairSeconds, List.of());
    }

    /** Share of the weights that was selected. */
    public double selectedFraction() {
      return (double) selected.stream().mapToLong(Integer::longValue).sum() / weights;
    }
  }

  /**
   * A threshold that a search tried, before any repair.
   *
   * @param share of the weights that was selected
   * @param forgetGap mean loss on forget samples minus mean loss on samples the model never saw, in
   *     nats; negative while the model still knows the forget samples
   * @param retainDrop accuracy on retained samples, anchor minus trial
   * @param kept whether the drop is within the search's limit
   * @param chosen whether it became the release's threshold
   */
  record Trial(double share, double forgetGap, double retainDrop, boolean kept, boolean chosen) {}
}
