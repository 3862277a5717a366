package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.lethe.events.JobStage;
import io.lethe.unlearning.FusedAdam;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/**
 * Fine-tunes all weights toward what models that never saw the forget samples say about them:
 * oracle matching in the sense of Datamodel Matching (Georgiev et al. 2024, arXiv 2410.23232), with
 * out-of-fold predictions as the oracle.
 *
 * <p>Each step minimises, with p the model, q the held-out targets, p₀ the anchor, and y a sample's
 * label,
 *
 * <pre>
 *   mean_forget    [ KL(q ‖ p)  + w Σ_c (log p_c − log q_c)²  / C + u (m(p) − m(q))² ]
 *   + mean_reservoir [ KL(p₀ ‖ p) + w₀ Σ_c (log p_c − log p₀_c)² / C ]
 *
 *   m(p) = log p_y − log (1 − p_y)
 * </pre>
 *
 * <p>The divergence alone leaves the tails: a wrong label that the model memorised keeps a far
 * higher probability than a model that never saw it gives it, and a right one that it knew by heart
 * is still a little surer. Both are plain to a membership attack, which orders samples by their
 * loss, that is by the margin m (as KLOM compares models, arXiv 2410.23232). So margins are matched
 * as well; and what is held of the anchor is held whole, which keeps the losses on unseen samples,
 * the attack's other side, where they were.
 *
 * <p>Steps come in rounds, each with a cycle of the rate, and end with the round after which the
 * margins of the forget samples are near enough to their targets': an easy set takes a round or
 * two, one of memorised labels several times as many.
 *
 * <p>There is no ascent that could overshoot. Cost: forget samples and a reservoir, whatever the
 * dataset's size, and of a model whose layers follow each other only its {@link TrainedPart}.
 * Running statistics stay as they are.
 */
public final class HeldoutMatch implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "heldout-match";

  private final HeldoutMatchParameters parameters;

  /** Steps that the last run took, which its control takes too. */
  private int steps;

  public HeldoutMatch(HeldoutMatchParameters parameters) {
    this.parameters = parameters;
    steps = parameters.steps();
  }

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return Needs.forgetSamples(task).or(() -> Needs.targets(task));
  }

  /**
   * @throws UnlearningException when a forget sample has no target
   */
  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    task.progress().at(JobStage.METHOD, 0, 1);
    HeldOutTargets targets = targets(task);
    task.progress().at(JobStage.METHOD, 1, 1);
    double prepared = FineTuning.since(start);
    Matched matched = match(task, parameters, targets);
    steps = matched.steps();
    return new Applied(
        matched.selected(), weights(task), prepared, FineTuning.since(start) - prepared);
  }

  private static long weights(UnlearningTask task) {
    return task.model().weights().stream().mapToLong(w -> w.array().getShape().size()).sum();
  }

  private static HeldOutTargets targets(UnlearningTask task) {
    HeldOutTargets targets =
        task.targets()
            .orElseThrow(() -> new UnlearningException("heldout-match needs held-out targets"));
    targets.logits(task.forget()); // throws where one is missing
    return targets;
  }

  /**
   * Weights of a step's terms.
   *
   * @param square w
   * @param hold w₀
   * @param margin u
   */
  record Weights(double square, double hold, double margin) {}

  /** The model's logits, (samples, classes). */
  @FunctionalInterface
  interface Outputs {
    NDArray of(int[] samples, NDManager scope);
  }

  /**
   * Fine-tunes toward targets on the forget set, and holds the outputs on a reservoir.
   *
   * @param targets of the forget samples
   */
  static Matched match(
      UnlearningTask task, HeldoutMatchParameters parameters, HeldOutTargets targets) {
    int[] reservoir = reservoir(task, parameters);
    Minibatches forget =
        new Minibatches(
            task.forget(), parameters.forgetBatch(), Sampling.mix(task.seed(), Sampling.FORGET));
    Minibatches retain =
        new Minibatches(
            reservoir, parameters.retainBatch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    int[] both = with(reservoir, task.forget());
    try (TrainedPart part = new TrainedPart(task, parameters.trainedShare(), both);
        FusedAdam adam = new FusedAdam(task.model().manager(), part.weights())) {
      float[] outputs = part.outputs(reservoir);
      HeldOutTargets held =
          HeldOutTargets.of(outputs.length / reservoir.length, reservoir, outputs);
      int done =
          rounds(
              task,
              parameters,
              (scope, rate) ->
                  Matching.step(
                      task,
                      adam,
                      scope,
                      rate,
                      held,
                      retain.next(),
                      targets,
                      forget.next(),
                      parameters.weights(),
                      part::logits),
              () -> marginDistance(task, targets, part) <= parameters.tolerance());
      return new Matched(part.selected(), done);
    }
  }

  /**
   * Takes steps in rounds.
   *
   * @param isEnough asked after each round
   * @return steps taken
   */
  private static int rounds(
      UnlearningTask task,
      HeldoutMatchParameters parameters,
      FineTuning.Step step,
      BooleanSupplier isEnough) {
    int done = 0;
    do {
      int steps = Math.min(parameters.roundSteps(), parameters.steps() - done);
      FineTuning.run(
          task,
          new FineTuning.Part(done, steps, parameters.steps()),
          TrainingRecipe.Schedule.ONE_CYCLE,
          parameters.learningRate(),
          step);
      done += steps;
    } while (done < parameters.steps() && !isEnough.getAsBoolean());
    return done;
  }

  private static int[] reservoir(UnlearningTask task, HeldoutMatchParameters parameters) {
    return Sampling.choose(
        task.repairPool(),
        parameters.reservoirSamples(),
        Sampling.mix(task.seed(), Sampling.RESERVOIR));
  }

  private static int[] with(int[] reservoir, int[] forget) {
    return IntStream.concat(Arrays.stream(reservoir), Arrays.stream(forget)).toArray();
  }

  /**
   * What a run took.
   *
   * @param selected how many weights of each tensor were trained
   * @param steps that it took
   */
  record Matched(List<Integer> selected, int steps) {}

  /** Root mean square, over the forget samples, of m(p) − m(q). */
  private static double marginDistance(
      UnlearningTask task, HeldOutTargets targets, TrainedPart part) {
    int[] forget = task.forget();
    float[] reached = part.outputs(forget);
    float[] wanted = targets.logits(forget);
    int width = reached.length / forget.length;
    double sum = 0;
    for (int i = 0; i < forget.length; i++) {
      int label = task.dataset().label(forget[i]);
      double difference =
          Matching.margin(reached, i * width, width, label)
              - Matching.margin(wanted, i * targets.classes(), targets.classes(), label);
      sum += difference * difference;
    }
    return Math.sqrt(sum / forget.length);
  }

  @Override
  public UnlearningMethod control(Applied applied) {
    return new Control(parameters, steps);
  }

  /**
   * The same without knowledge of what to forget: as many steps, at the same rates, of the same
   * layers, on the same reservoir, toward its labels (see {@link FineTune}). To hold the anchor's
   * outputs alone would be no control: the anchor is where that loss is least, and no step moves
   * it.
   *
   * @param steps that the method took
   */
  private record Control(HeldoutMatchParameters parameters, int steps) implements UnlearningMethod {
    @Override
    public String name() {
      return FineTune.NAME;
    }

    @Override
    public Applied apply(UnlearningTask task) {
      long start = System.nanoTime();
      int[] reservoir = reservoir(task, parameters);
      Minibatches retain =
          new Minibatches(
              reservoir, parameters.retainBatch(), Sampling.mix(task.seed(), Sampling.REPAIR));
      try (TrainedPart part =
              new TrainedPart(task, parameters.trainedShare(), with(reservoir, task.forget()));
          FusedAdam adam = new FusedAdam(task.model().manager(), part.weights())) {
        rounds(
            task,
            parameters.withSteps(steps),
            (scope, rate) ->
                Matching.toLabels(task, adam, scope, rate, retain.next(), part::logits),
            () -> false);
        return new Applied(part.selected(), weights(task), 0, FineTuning.since(start));
      }
    }

    @Override
    public UnlearningMethod control(Applied applied) {
      return this;
    }
  }
}
