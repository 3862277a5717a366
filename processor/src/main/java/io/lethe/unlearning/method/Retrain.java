package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import io.lethe.events.JobStage;
import io.lethe.events.ModelFormat;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Retraining;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.Trainer;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.IntPredicate;

/**
 * Trains the model from its initial weights on what is left, by its own recipe: the definition of
 * forgetting (Bourtoule et al. 2021, arXiv 1912.03817, section III), the last rung of a ladder, and
 * the next anchor. Exact and as dear as training.
 *
 * <p>Takes all retained samples, also those that stand in for a holdout set: the anchor saw them
 * too. Running statistics come out of the training. There is nothing to control for, as no forget
 * sample enters; the control is the anchor as it stands.
 */
public final class Retrain implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "retrain";

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.recipe(task)
        .or(
            () ->
                Needs.unless(
                    task.model().format() == ModelFormat.DJL,
                    "a model whose running statistics can be set, which TorchScript's cannot"));
  }

  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    Retraining retraining =
        task.retraining()
            .orElseThrow(() -> new UnlearningException("retrain needs a training recipe"));
    IntPredicate retained = index -> !task.forgetClasses().contains(task.dataset().label(index));
    int[] samples =
        Arrays.stream(Sampling.complement(task.dataset().size(), task.forget()))
            .filter(retained)
            .toArray();
    task.progress().at(JobStage.METHOD, 1, 1);
    try (LoadedModel fresh = retraining.untrained().get()) {
      new Trainer(retraining.recipe()).train(fresh, task.dataset(), samples, task.progress());
      copy(fresh.weights(), task.model().weights());
      copy(fresh.buffers(), task.model().buffers());
    }
    return FineTuning.applied(task.model(), 0, FineTuning.since(start));
  }

  private static void copy(List<LoadedModel.Weight> from, List<LoadedModel.Weight> to) {
    boolean same =
        from.size() == to.size()
            && java.util.stream.IntStream.range(0, from.size())
                .allMatch(
                    i ->
                        from.get(i).name().equals(to.get(i).name())
                            && from.get(i).shape().equals(to.get(i).shape()));
    if (!same) {
      throw new UnlearningException("the recipe's model has other weights than the anchor");
    }
    try (GradientMode off = GradientMode.off()) {
      for (int i = 0; i < from.size(); i++) {
        NDArray target = to.get(i).array();
        try (NDArray typed = from.get(i).array().toType(target.getDataType(), true)) {
          typed.copyTo(target);
        }
      }
    }
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Unchanged();
  }

  /** The anchor as it stands. */
  private static final class Unchanged implements UnlearningMethod {
    @Override
    public String name() {
      return "unchanged";
    }

    @Override
    public Applied apply(UnlearningTask task) {
      List<Integer> none = task.model().weights().stream().map(weight -> 0).toList();
      return new Applied(
          none,
          task.model().weights().stream().mapToLong(w -> w.array().getShape().size()).sum(),
          0,
          0);
    }

    @Override
    public UnlearningMethod control(Applied applied) {
      return this;
    }
  }
}
