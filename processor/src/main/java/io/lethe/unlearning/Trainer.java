package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.JobStage;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.Arrays;

/**
 * Trains all weights of a model by Adam on the mean cross-entropy. The same model, samples and
 * recipe give the same weights on the same machine and number of threads.
 */
public final class Trainer {
  private final TrainingRecipe recipe;

  public Trainer(TrainingRecipe recipe) {
    this.recipe = recipe;
  }

  /**
   * @param samples positions in the dataset to train on, at least 2
   * @param progress told after each minibatch, as stage REPAIR
   * @return mean loss over the last epoch, in nats
   */
  public double train(LoadedModel model, SampleDataset dataset, int[] samples, Progress progress) {
    if (samples.length < 2) {
      throw new UnlearningException("training needs at least 2 samples");
    }
    int perEpoch = samples.length / recipe.batch() + (samples.length % recipe.batch() > 1 ? 1 : 0);
    long steps = (long) perEpoch * recipe.epochs();
    long step = 0;
    double mean = 0;
    model.manager().getEngine().setRandomSeed((int) recipe.seed()); // of dropout
    try (GradientMode on = GradientMode.on();
        Adam adam = new Adam(model, null, recipe.weightDecay())) {
      for (int epoch = 0; epoch < recipe.epochs(); epoch++) {
        int[] order = Sampling.shuffle(samples, Sampling.mix(recipe.seed(), epoch));
        mean = 0;
        for (int b = 0; b < perEpoch; b++) {
          int from = b * recipe.batch();
          int[] batch =
              Arrays.copyOfRange(order, from, Math.min(order.length, from + recipe.batch()));
          try (NDManager scope = model.manager().newSubManager()) {
            NDList xy = dataset.batch(scope, batch);
            NDArray logits = model.trainingLogits(xy.get(0).toType(model.dataType(), false));
            NDArray loss = CrossEntropy.perSample(logits, xy.get(1)).mean();
            adam.step(loss, recipe.schedule().rate(recipe.learningRate(), step, steps));
            mean += loss.toType(DataType.FLOAT64, true).getDouble() / perEpoch;
          }
          progress.at(JobStage.REPAIR, ++step, steps);
        }
      }
    }
    if (!Double.isFinite(mean)) {
      throw new UnlearningException("training diverged: its loss is not a finite number");
    }
    return mean;
  }
}
