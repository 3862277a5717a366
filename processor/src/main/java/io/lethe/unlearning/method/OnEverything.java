package io.lethe.unlearning.method;

import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The control of methods that forget by training on what is left: the same training with the forget
 * samples among the samples that it draws from.
 */
final class OnEverything implements UnlearningMethod {
  private final UnlearningMethod method;

  OnEverything(UnlearningMethod method) {
    this.method = method;
  }

  @Override
  public String name() {
    return method.name() + "-on-all";
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return method.missing(task);
  }

  @Override
  public Applied apply(UnlearningTask task) {
    int[] all =
        IntStream.concat(Arrays.stream(task.repairPool()), Arrays.stream(task.forget()))
            .sorted()
            .toArray();
    return method.apply(task.with(task.forget(), all));
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return this;
  }
}
