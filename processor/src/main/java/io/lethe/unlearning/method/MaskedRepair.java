package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Adam;
import io.lethe.unlearning.CrossFit;
import io.lethe.unlearning.HeldOutTargets;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.TrainingRecipe;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;

/**
 * Sets selected weights to zero and fine-tunes only those on a seeded reservoir of retained
 * samples. Every other weight and all running statistics stay bit-identical.
 */
final class MaskedRepair {
  private final UnlearningTask task;
  private final DeepClean.Parameters parameters;

  MaskedRepair(UnlearningTask task, DeepClean.Parameters parameters) {
    this.task = task;
    this.parameters = parameters;
  }

  /** Seconds of zeroing and of fine-tuning. */
  record Seconds(double zero, double repair) {}

  /**
   * @param selection the selected weights of each tensor, in the model's order
   */
  Seconds run(List<BitSet> selection) {
    LoadedModel model = task.model();
    long start = System.nanoTime();
    try (NDManager job = model.manager().newSubManager()) {
      NDList original = model.copyWeights(job);
      NDList masks = masks(job, selection);
      Optional<HeldOutTargets> anchorOutputs = anchorOutputs();
      zero(masks);
      long zeroed = System.nanoTime();
      fineTune(masks, anchorOutputs);
      restore(original, masks);
      return new Seconds((zeroed - start) * 1e-9, (System.nanoTime() - zeroed) * 1e-9);
    }
  }

  /** Sets the selected weights to zero and repairs nothing. */
  void zero(List<BitSet> selection) {
    try (NDManager scope = task.model().manager().newSubManager()) {
      zero(masks(scope, selection));
    }
  }

  private int[] reservoir() {
    return Sampling.choose(
        task.repairPool(),
        parameters.reservoirSamples(),
        Sampling.mix(task.seed(), Sampling.RESERVOIR));
  }

  /** What the anchor says about the reservoir, where the repair goes toward targets. */
  private Optional<HeldOutTargets> anchorOutputs() {
    if (!parameters.towardTargets()) {
      return Optional.empty();
    }
    int[] reservoir = reservoir();
    float[] outputs = CrossFit.logits(task.model(), task.dataset(), reservoir);
    return Optional.of(HeldOutTargets.of(outputs.length / reservoir.length, reservoir, outputs));
  }

  private NDList masks(NDManager job, List<BitSet> selection) {
    NDList masks = new NDList();
    for (int t = 0; t < selection.size(); t++) {
      NDArray array = task.model().weights().get(t).array();
      float[] mask = new float[(int) array.getShape().size()];
      selection.get(t).stream().forEach(i -> mask[i] = 1);
      masks.add(job.create(mask, array.getShape()).toType(array.getDataType(), false));
    }
    return masks;
  }

  private void zero(NDList masks) {
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < masks.size(); t++) {
        try (NDArray keep = masks.get(t).neg().add(1)) {
          task.model().weights().get(t).array().muli(keep);
        }
      }
    }
  }

  private void fineTune(NDList masks, Optional<HeldOutTargets> anchorOutputs) {
    LoadedModel model = task.model();
    int[] reservoir = reservoir();
    int batchSize = parameters.repairBatch();
    int perEpoch = (reservoir.length + batchSize - 1) / batchSize;
    int steps = perEpoch * parameters.repairEpochs();
    if (steps == 0) {
      return;
    }
    Minibatches forget =
        new Minibatches(task.forget(), batchSize, Sampling.mix(task.seed(), Sampling.FORGET));
    int[] step = {0};
    HeldoutMatch.Weights weights = HeldoutMatchParameters.of(task.policy()).weights();
    try (Adam adam = new Adam(model, masks, 0)) {
      FineTuning.run(
          task,
          new FineTuning.Part(0, steps, steps),
          TrainingRecipe.Schedule.COSINE,
          parameters.repairLearningRate(),
          (scope, rate) -> {
            int[] batch = batch(reservoir, batchSize, perEpoch, step[0]++);
            return anchorOutputs.isPresent()
                ? Matching.step(
                    task,
                    adam,
                    scope,
                    rate,
                    anchorOutputs.get(),
                    batch,
                    task.targets().orElseThrow(),
                    forget.next(),
                    weights,
                    this::logits)
                : FineTuning.down(adam, at -> Losses.crossEntropy(task, at, batch))
                    .take(scope, rate);
          });
    }
  }

  private NDArray logits(int[] samples, NDManager scope) {
    NDArray x = task.dataset().batch(scope, samples).get(0);
    return task.model().logits(x.toType(task.model().dataType(), false));
  }

  /** Each epoch in an order of its own; its last minibatch may be smaller. */
  private int[] batch(int[] reservoir, int batchSize, int perEpoch, int step) {
    int[] order =
        Sampling.shuffle(
            reservoir, Sampling.mix(Sampling.mix(task.seed(), Sampling.REPAIR), step / perEpoch));
    int from = step % perEpoch * batchSize;
    return Arrays.copyOfRange(order, from, Math.min(order.length, from + batchSize));
  }

  /** Even a step of zero may turn −0 into 0. */
  private void restore(NDList original, NDList masks) {
    try (GradientMode off = GradientMode.off()) {
      for (int t = 0; t < masks.size(); t++) {
        NDArray array = task.model().weights().get(t).array();
        try (NDArray selected = masks.get(t).toType(DataType.BOOLEAN, false);
            NDArray merged = ai.djl.ndarray.NDArrays.where(selected, array, original.get(t))) {
          merged.copyTo(array);
        }
      }
    }
  }
}
