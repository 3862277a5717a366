package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Activations;
import io.lethe.unlearning.UnlearningTask;
import io.lethe.unlearning.Whitening;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The weights that a method trains, and the model's outputs as a function of them.
 *
 * <p>Of a model whose layers follow each other those are its last layers, as few as hold the wanted
 * share of all weights. What the layers below say about a sample is then the same at each step, and
 * is taken from the task's {@link Activations}: a step costs the last layers alone. A network with
 * convolutions below and most weights in a dense layer takes steps several times as fast. Of any
 * other model, and where the samples' activations are too many to keep, it is all weights.
 *
 * <p>Where the first of the last layers is a dense one it is trained in the coordinates of {@link
 * Whitening whitened inputs}; only closing this gives its weights their meaning back.
 */
final class TrainedPart implements AutoCloseable {
  private static final int BATCH = 256;

  private final UnlearningTask task;
  private final List<NDArray> weights;
  private final Optional<Whitening> whitening;

  /**
   * @param share of all weights that is to be trained, above 0, at most 1
   * @param samples positions in the training dataset whose outputs will be asked for
   */
  TrainedPart(UnlearningTask task, double share, int[] samples) {
    this.task = task;
    Activations activations = task.activations();
    boolean kept = activations.above(share) && activations.keep(task.dataset(), samples);
    weights =
        task.model().weights().stream()
            .map(LoadedModel.Weight::array)
            .filter(array -> !kept || !activations.isBelow(array))
            .toList();
    whitening = kept ? activations.whiten(task.dataset(), samples) : Optional.empty();
  }

  /** The arrays that are trained, in the model's order. */
  List<NDArray> weights() {
    return weights;
  }

  /** How many weights of each tensor of the model are trained: all or none. */
  List<Integer> selected() {
    return task.model().weights().stream()
        .map(LoadedModel.Weight::array)
        .map(
            array ->
                weights.stream().anyMatch(trained -> trained == array)
                    ? Math.toIntExact(array.getShape().size())
                    : 0)
        .toList();
  }

  /**
   * Logits of samples in eval mode, recorded where the thread records.
   *
   * @param samples some of those that were announced
   * @param scope owns the result
   * @return (samples, classes)
   */
  NDArray logits(int[] samples, NDManager scope) {
    return whitening
        .map(written -> written.logits(samples, scope))
        .orElseGet(() -> task.activations().logits(task.dataset(), samples, scope));
  }

  /** The model's outputs as it stands, float32 (samples, classes), row-major. */
  float[] outputs(int[] samples) {
    int classes = 0;
    float[] all = new float[0];
    try (GradientMode off = GradientMode.off()) {
      for (int from = 0; from < samples.length; from += BATCH) {
        int[] batch = Arrays.copyOfRange(samples, from, Math.min(samples.length, from + BATCH));
        try (NDManager scope = task.model().manager().newSubManager()) {
          NDArray logits = logits(batch, scope);
          if (from == 0) {
            classes = (int) logits.getShape().get(1);
            all = new float[samples.length * classes];
          }
          float[] values = logits.toType(DataType.FLOAT32, false).toFloatArray();
          System.arraycopy(values, 0, all, from * classes, values.length);
        }
      }
    }
    return all;
  }

  @Override
  public void close() {
    whitening.ifPresent(Whitening::close);
  }
}
