package io.lethe.unlearning.method;

import io.lethe.events.JobStage;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/**
 * The control of {@link DeepClean}: as many weights per tensor, chosen at random, set to zero and
 * repaired in the same way. What it forgets as well owes nothing to the Fisher information.
 *
 * <p>As a rung of a ladder it counts the weights that DeepClean with the same hyperparameters would
 * select, and is its own control.
 */
public final class RandomMask implements UnlearningMethod {
  /** Name of the method. */
  public static final String NAME = "random-mask";

  private final DeepClean of;
  private final Optional<List<Integer>> given;

  /** With as many weights as DeepClean would select. */
  RandomMask(DeepClean of) {
    this.of = of;
    given = Optional.empty();
  }

  /**
   * @param selected number of weights to select in each tensor, in the model's order
   */
  RandomMask(DeepClean of, List<Integer> selected) {
    this.of = of;
    given = Optional.of(List.copyOf(selected));
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return of.missing(task);
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    List<Integer> selected = given.orElseGet(() -> of.select(task).counts());
    Random random = new Random(Sampling.mix(task.seed(), Sampling.MASK));
    List<BitSet> selection = new ArrayList<>();
    for (int t = 0; t < selected.size(); t++) {
      int size = task.retainSums().tensors().get(t).values().length;
      selection.add(choose(size, selected.get(t), random));
    }
    double selecting = (System.nanoTime() - start) * 1e-9;
    task.progress().at(JobStage.METHOD, 1, 1);
    MaskedRepair.Seconds seconds = of.repair(task).run(selection);
    return new Applied(
        selected, task.retainSums().size(), selecting + seconds.zero(), seconds.repair());
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return this;
  }

  /** Selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S). */
  static BitSet choose(int size, int count, Random random) {
    BitSet chosen = new BitSet(size);
    int left = count;
    for (int i = 0; i < size && left > 0; i++) {
      if (random.nextDouble() * (size - i) < left) {
        chosen.set(i);
        left--;
      }
    }
    return chosen;
  }
}
