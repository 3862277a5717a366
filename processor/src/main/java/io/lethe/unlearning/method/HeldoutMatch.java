package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import io.lethe.events.JobStage;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Adam;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningException;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningTask;
import java.util.Optional;

/**
 * Fine-tunes all weights toward what models that never saw the forget samples say about them:
 * oracle matching in the sense of Datamodel Matching (Georgiev et al. 2024, arXiv 2410.23232), with
 * out-of-fold predictions as the oracle.
 *
 * <p>Each step minimises, with p the model, q the held-out targets and p₀ the anchor,
 *
 * <pre>
 *   mean_forget [ KL(q ‖ p) + w Σ_c (log p_c − log q_c)² / C ]  +  mean_reservoir KL(p₀ ‖ p)
 * </pre>
 *
 * <p>The divergence alone leaves the tails: a wrong label that the model memorised keeps a far
 * higher probability than a model that never saw it gives it, and the squared term matches that.
 * There is no ascent that could overshoot. Cost: forget samples and a reservoir, whatever the
 * dataset's size. Running statistics stay as they are.
 */
public final class HeldoutMatch implements UnlearningMethod {
  /** Name in a policy's ladder. */
  public static final String NAME = "heldout-match";

  private final HeldoutMatchParameters parameters;
  private final boolean toTargets;

  public HeldoutMatch(HeldoutMatchParameters parameters) {
    this(parameters, true);
  }

  private HeldoutMatch(HeldoutMatchParameters parameters, boolean toTargets) {
    this.parameters = parameters;
    this.toTargets = toTargets;
  }

  @Override
  public String name() {
    return toTargets ? NAME : "fine-tune";
  }

  @Override
  public Optional<String> missing(UnlearningTask task) {
    return task.targets().map(targets -> targets.cover(task.forget())).orElse(false)
        ? Optional.empty()
        : Optional.of("held-out targets of all forget samples");
  }

  /**
   * @throws UnlearningException when a forget sample has no target
   */
  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    task.progress().at(JobStage.METHOD, 0, 1);
    LoadedModel model = task.model();
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    HeldOutTargets anchor =
        HeldOutTargets.of(
            task.dataset().classes(), reservoir, CrossFit.logits(model, task.dataset(), reservoir));
    Optional<HeldOutTargets> targets = toTargets ? Optional.of(targets(task)) : Optional.empty();
    task.progress().at(JobStage.METHOD, 1, 1);
    double prepared = FineTuning.since(start);
    match(task, parameters, targets, anchor);
    return FineTuning.applied(model, prepared, FineTuning.since(start) - prepared);
  }

  private static HeldOutTargets targets(UnlearningTask task) {
    HeldOutTargets targets =
        task.targets()
            .orElseThrow(() -> new UnlearningException("heldout-match needs held-out targets"));
    targets.logits(task.forget()); // throws where one is missing
    return targets;
  }

  /**
   * Fine-tunes toward targets on the forget set and on a reservoir.
   *
   * @param targets of the forget samples; without them only the reservoir is held
   * @param hold targets of the reservoir, which is drawn as here
   */
  static void match(
      UnlearningTask task,
      HeldoutMatchParameters parameters,
      Optional<HeldOutTargets> targets,
      HeldOutTargets hold) {
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    Minibatches forget =
        new Minibatches(
            task.forget(), parameters.forgetBatch(), Sampling.mix(task.seed(), Sampling.FORGET));
    Minibatches retain =
        new Minibatches(
            reservoir, parameters.retainBatch(), Sampling.mix(task.seed(), Sampling.REPAIR));
    try (Adam adam = new Adam(task.model(), null, 0)) {
      FineTuning.run(
          task,
          adam,
          parameters.steps(),
          TrainingRecipe.Schedule.ONE_CYCLE,
          parameters.learningRate(),
          scope -> {
            NDArray held = Losses.divergence(task, scope, hold, retain.next(), 0);
            return targets
                .map(
                    wanted ->
                        held.add(
                            Losses.divergence(
                                task, scope, wanted, forget.next(), parameters.squareWeight())))
                .orElse(held);
          });
    }
  }

  /** As many steps that hold the anchor's outputs on the reservoir, without anything to forget. */
  @Override
  public UnlearningMethod control(Applied applied) {
    return new HeldoutMatch(parameters, false);
  }
}
