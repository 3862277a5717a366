package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Optimizer;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod.Applied;
import io.lethe.unlearning.UnlearningTask;
import java.util.List;

/** The loop that all fine-tuning methods share; running statistics stay as they are. */
final class FineTuning {
  private FineTuning() {}

  /** A step's loss: a scalar with its graph. */
  @FunctionalInterface
  interface StepLoss {
    /**
     * @param scope freed after the step
     */
    NDArray at(NDManager scope);
  }

  /** One update of the weights. */
  @FunctionalInterface
  interface Step {
    /**
     * @param scope freed after the step
     * @return the loss before it
     */
    double take(NDManager scope, double learningRate);
  }

  /**
   * Takes steps and reports each as stage REPAIR.
   *
   * @param peak learning rate at the schedule's peak
   * @throws UnlearningException when the last loss is not finite
   */
  static void run(
      UnlearningTask task,
      Optimizer optimizer,
      int steps,
      TrainingRecipe.Schedule schedule,
      double peak,
      StepLoss loss) {
    run(task, new Part(0, steps, steps), schedule, peak, down(optimizer, loss));
  }

  /** Steps against the gradient of a recorded loss. */
  static Step down(Optimizer optimizer, StepLoss loss) {
    return (scope, rate) -> {
      NDArray current = loss.at(scope);
      optimizer.step(current, rate);
      return current.toType(DataType.FLOAT64, true).getDouble();
    };
  }

  /**
   * A stretch of a run.
   *
   * @param done steps taken before
   * @param steps to take now
   * @param most that the whole run may take
   */
  record Part(int done, int steps, int most) {}

  /** As above, over a stretch with a schedule of its own. */
  static void run(
      UnlearningTask task, Part part, TrainingRecipe.Schedule schedule, double peak, Step step) {
    int steps = part.steps();
    double last = 0;
    try (GradientMode on = GradientMode.on()) {
      for (int taken = 0; taken < steps; taken++) {
        try (NDManager scope = task.model().manager().newSubManager()) {
          last = step.take(scope, schedule.rate(peak, taken, steps));
        }
        task.progress().at(JobStage.REPAIR, part.done() + taken + 1L, part.most());
      }
    }
    if (!Double.isFinite(last)) {
      throw new UnlearningException("fine-tuning diverged: its loss is not a finite number");
    }
  }

  /** What a method reports that may have changed every weight. */
  static Applied applied(LoadedModel model, double methodSeconds, double repairSeconds) {
    List<Integer> all =
        model.weights().stream()
            .map(weight -> Math.toIntExact(weight.array().getShape().size()))
            .toList();
    return new Applied(
        all, all.stream().mapToLong(Integer::longValue).sum(), methodSeconds, repairSeconds);
  }

  /** Seconds since {@link System#nanoTime} gave a value. */
  static double since(long start) {
    return (System.nanoTime() - start) * 1e-9;
  }
}
