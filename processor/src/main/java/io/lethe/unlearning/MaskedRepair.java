package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * Sets selected weights to zero and fine-tunes only those on a seeded reservoir of retained
 * samples. Every other weight and all running statistics stay bit-identical.
 */
final class MaskedRepair {
  private final UnlearningTask task;
  private final DeepCleanParameters parameters;

  MaskedRepair(UnlearningTask task) {
    this.task = task;
    this.parameters = task.policy().getDeepclean();
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
      zero(masks);
      long zeroed = System.nanoTime();
      fineTune(masks);
      restore(original, masks);
      return new Seconds((zeroed - start) * 1e-9, (System.nanoTime() - zeroed) * 1e-9);
    }
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

  private void fineTune(NDList masks) {
    LoadedModel model = task.model();
    int[] reservoir =
        Sampling.choose(
            task.repairPool(),
            parameters.getReservoirSamples(),
            Sampling.mix(task.seed(), Sampling.RESERVOIR));
    int batchSize = parameters.getRepairBatch();
    int perEpoch = (reservoir.length + batchSize - 1) / batchSize;
    long steps = (long) perEpoch * parameters.getRepairEpochs();
    long step = 0;
    try (GradientMode on = GradientMode.on();
        Adam adam = new Adam(model, masks, 0)) {
      for (int epoch = 0; epoch < parameters.getRepairEpochs(); epoch++) {
        int[] order =
            Sampling.shuffle(
                reservoir, Sampling.mix(Sampling.mix(task.seed(), Sampling.REPAIR), epoch));
        for (int from = 0; from < order.length; from += batchSize) {
          int[] batch = Arrays.copyOfRange(order, from, Math.min(order.length, from + batchSize));
          try (NDManager scope = model.manager().newSubManager()) {
            NDList xy = task.dataset().batch(scope, batch);
            NDArray logits = model.logits(xy.get(0).toType(model.dataType(), false));
            adam.step(
                CrossEntropy.perSample(logits, xy.get(1)).mean(),
                TrainingRecipe.Schedule.COSINE.rate(
                    parameters.getRepairLearningRate(), step, steps));
          }
          task.progress().at(JobStage.REPAIR, ++step, steps);
        }
      }
    }
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
