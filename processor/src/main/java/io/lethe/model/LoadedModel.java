package io.lethe.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.events.ModelFormat;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A classifier in memory, with its native arrays.
 *
 * <p>Weights ask for no gradient until a training loop says so. One thread at a time; different
 * models may be used by different threads at once. Closing frees all native memory.
 */
public abstract class LoadedModel implements AutoCloseable {
  /**
   * A named array of the model.
   *
   * @param name unique in the model, the same in every copy
   * @param array owned by the model
   */
  public record Weight(String name, NDArray array) {
    public List<Long> shape() {
      List<Long> shape = new ArrayList<>();
      for (long dimension : array.getShape().getShape()) {
        shape.add(dimension);
      }
      return shape;
    }
  }

  /**
   * Loads an artifact; the caller has checked its digest.
   *
   * @throws ModelException in one line, when the file is unusable
   */
  public static LoadedModel load(Path file, ModelFormat format) {
    return switch (format) {
      case DJL -> DjlModel.load(file);
      case TORCHSCRIPT -> TorchScriptModel.load(file);
    };
  }

  /** A new model with seeded random weights. */
  public static LoadedModel create(BlockRecipe recipe, long seed) {
    return DjlModel.create(recipe, seed, DataType.FLOAT32);
  }

  public abstract ModelFormat format();

  /** Owns the weights. Jobs make children of it. */
  public abstract NDManager manager();

  /** Trainable parameters, in the model's order. */
  public abstract List<Weight> weights();

  /** Arrays that are no parameters: BatchNorm's running statistics. */
  public abstract List<Weight> buffers();

  /**
   * Runs the model in eval mode; statistics stay as they are.
   *
   * @param x float (B, C, H, W)
   * @return unnormalised log-probabilities (B, classes), attached to {@code x}'s manager
   */
  public abstract NDArray logits(NDArray x);

  /** As {@link #logits} in training mode: BatchNorm uses and updates batch statistics. */
  public abstract NDArray trainingLogits(NDArray x);

  /**
   * Writes the model as one file of its {@link #format}; the same weights give the same bytes.
   *
   * @throws ModelException when it cannot be written
   */
  public abstract void write(Path file);

  /** Type of the weights. */
  public DataType dataType() {
    return weights().get(0).array().getDataType();
  }

  /** Copies all weights, in order. */
  public NDList copyWeights(NDManager owner) {
    NDList copy = new NDList();
    for (Weight weight : weights()) {
      NDArray duplicate = weight.array().duplicate();
      duplicate.attach(owner);
      copy.add(duplicate);
    }
    return copy;
  }

  /** Sets all weights, bit for bit, from a copy that {@link #copyWeights} made. */
  public void assignWeights(NDList copy) {
    try (GradientMode off = GradientMode.off()) {
      for (int i = 0; i < copy.size(); i++) {
        copy.get(i).copyTo(weights().get(i).array());
      }
    }
  }

  @Override
  public void close() {
    manager().close();
  }
}
