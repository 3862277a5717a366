package io.lethe.unlearning.method;

import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Optional;

/**
 * The control of methods that work on the forget samples: the same method on as many retained
 * samples, chosen at random. What it takes away from the real forget samples owes nothing to
 * knowing them.
 */
final class Decoy implements UnlearningMethod {
  static final String NAME = "random-forget";

  private final UnlearningMethod method;

  Decoy(UnlearningMethod method) {
    this.method = method;
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return method.missing(task);
  }

  @Override
  public Applied apply(UnlearningTask task) {
    int[] pool = task.repairPool();
    int[] decoys =
        Sampling.choose(
            pool,
            Math.max(1, Math.min(task.forget().length, pool.length / 2)),
            Sampling.mix(task.seed(), Sampling.DECOY));
    int[] rest =
        Arrays.stream(pool).filter(index -> Arrays.binarySearch(decoys, index) < 0).toArray();
    return method.apply(task.with(decoys, rest));
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return this;
  }
}
