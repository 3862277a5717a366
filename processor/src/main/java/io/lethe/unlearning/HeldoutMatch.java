package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.List;

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

  private final HeldoutMatchParameters given;
  private final boolean toTargets;

  /** By the hyperparameters of each task's policy. */
  public HeldoutMatch() {
    this(null, true);
  }

  public HeldoutMatch(HeldoutMatchParameters parameters) {
    this(parameters, true);
  }

  private HeldoutMatch(HeldoutMatchParameters parameters, boolean toTargets) {
    this.given = parameters;
    this.toTargets = toTargets;
  }

  @Override
  public String name() {
    return toTargets ? NAME : "fine-tune";
  }

  @Override
  public boolean canApply(UnlearningTask task) {
    return task.targets().map(targets -> targets.cover(task.forget())).orElse(false);
  }

  /**
   * @throws UnlearningException when a forget sample has no target
   */
  @Override
  public Applied apply(UnlearningTask task) {
    long start = System.nanoTime();
    HeldoutMatchParameters parameters = parameters(task);
    task.progress().at(JobStage.METHOD, 0, 1);
    LoadedModel model = task.model();
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.reservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    int[] forget = task.forget();
    HeldOutTargets anchor =
        HeldOutTargets.of(
            task.dataset().classes(), reservoir, CrossFit.logits(model, task.dataset(), reservoir));
    HeldOutTargets targets =
        task.targets()
            .orElseThrow(() -> new UnlearningException("heldout-match needs held-out targets"));
    targets.logits(forget);
    task.progress().at(JobStage.METHOD, 1, 1);
    long prepared = System.nanoTime();
    Cycle forgetCycle = new Cycle(forget, Sampling.mix(task.seed(), Sampling.FORGET));
    Cycle retainCycle = new Cycle(reservoir, Sampling.mix(task.seed(), Sampling.REPAIR));
    try (GradientMode on = GradientMode.on();
        Adam adam = new Adam(model, null, 0)) {
      for (int step = 0; step < parameters.steps(); step++) {
        try (NDManager scope = model.manager().newSubManager()) {
          NDArray loss =
              divergence(task, scope, anchor, retainCycle.next(parameters.retainBatch()), 0);
          if (toTargets) {
            loss =
                loss.add(
                    divergence(
                        task,
                        scope,
                        targets,
                        forgetCycle.next(parameters.forgetBatch()),
                        parameters.squareWeight()));
          }
          adam.step(
              loss,
              TrainingRecipe.Schedule.ONE_CYCLE.rate(
                  parameters.learningRate(), step, parameters.steps()));
        }
        task.progress().at(JobStage.REPAIR, step + 1L, parameters.steps());
      }
    }
    List<Integer> all =
        model.weights().stream().map(w -> Math.toIntExact(w.array().getShape().size())).toList();
    return new Applied(
        all,
        all.stream().mapToLong(Integer::longValue).sum(),
        (prepared - start) * 1e-9,
        (System.nanoTime() - prepared) * 1e-9);
  }

  /** As many steps that hold the anchor's outputs on the reservoir, without anything to forget. */
  @Override
  public UnlearningMethod control(Applied applied) {
    return new HeldoutMatch(given, false);
  }

  private HeldoutMatchParameters parameters(UnlearningTask task) {
    try {
      return given != null ? given : HeldoutMatchParameters.of(task.policy().getHeldoutMatch());
    } catch (IllegalArgumentException e) {
      throw new UnlearningException(e.getMessage());
    }
  }

  /** Mean over samples of KL(target ‖ model), and the weighted mean square of log-probabilities. */
  private static NDArray divergence(
      UnlearningTask task,
      NDManager scope,
      HeldOutTargets targets,
      int[] samples,
      double squareWeight) {
    LoadedModel model = task.model();
    NDList xy = task.dataset().batch(scope, samples);
    NDArray target =
        scope
            .create(targets.logits(samples), new Shape(samples.length, targets.classes()))
            .toType(model.dataType(), false)
            .logSoftmax(1);
    NDArray logP = model.logits(xy.get(0).toType(model.dataType(), false)).logSoftmax(1);
    NDArray difference = target.sub(logP);
    NDArray loss = target.exp().mul(difference).sum(new int[] {1}).mean();
    return squareWeight == 0 ? loss : loss.add(difference.square().mean().mul(squareWeight));
  }

  /** Endless minibatches: each pass over the samples in a new order. */
  private static final class Cycle {
    private final int[] samples;
    private final long seed;
    private int[] order;
    private int at;
    private int pass;

    Cycle(int[] samples, long seed) {
      this.samples = samples;
      this.seed = seed;
      order = new int[0];
    }

    int[] next(int count) {
      int[] batch = new int[Math.min(count, samples.length)];
      for (int i = 0; i < batch.length; i++) {
        if (at == order.length) {
          order = Sampling.shuffle(samples, Sampling.mix(seed, pass++));
          at = 0;
        }
        batch[i] = order[at++];
      }
      return batch;
    }
  }
}
