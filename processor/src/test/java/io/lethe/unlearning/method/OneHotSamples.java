package io.lethe.unlearning.method;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.SampleDataset;
import io.lethe.events.GateThresholds;
import io.lethe.events.UnlearningPolicy;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningTask;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * Samples (1, 1, classes) that are one at their class and zero elsewhere, for networks of which it
 * is known which weights serve which class.
 */
final class OneHotSamples implements SampleDataset {
  private final int classes;
  private final int[] labels;

  /** So many samples in all; {@code few} of one class, of the others equally many in turn. */
  OneHotSamples(int classes, int samples, int rare, int few) {
    this.classes = classes;
    int[] others = IntStream.range(0, classes).filter(label -> label != rare).toArray();
    labels =
        IntStream.range(0, samples).map(i -> i < few ? rare : others[i % others.length]).toArray();
  }

  /**
   * One hidden unit per class, between weights of the given size on the diagonals and zeros.
   *
   * @param lead bias of class 0's output
   */
  LoadedModel unitPerClass(float size, float lead) {
    LoadedModel model = LoadedModel.create(BlockRecipe.mlp(sampleShape(), classes, classes), 1);
    float[] diagonal = new float[classes * classes];
    IntStream.range(0, classes).forEach(c -> diagonal[c * classes + c] = size);
    float[] bias = new float[classes];
    bias[0] = lead;
    Map<String, float[]> values =
        Map.of(
            "dense1.weight", diagonal,
            "dense1.bias", new float[classes],
            "output.weight", diagonal,
            "output.bias", bias);
    for (LoadedModel.Weight weight : model.weights()) {
      NDArray array = weight.array();
      try (NDArray value = model.manager().create(values.get(weight.name()), array.getShape())) {
        value.copyTo(array);
      }
    }
    return model;
  }

  /** Forgets all samples of a class. */
  UnlearningTask wholeClass(LoadedModel model, int label) {
    int[] forget = IntStream.range(0, size()).filter(i -> labels[i] == label).toArray();
    int[] retain = Sampling.complement(size(), forget);
    FisherComputer fisher = new FisherComputer(model);
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(Cases.policy())
            .setGate(GateThresholds.newBuilder().build())
            .build();
    return new UnlearningTask(
        model,
        this,
        forget,
        Set.of(label),
        retain,
        Optional.empty(),
        fisher.sum(this, retain, Progress.NONE),
        fisher.sum(this, forget, Progress.NONE),
        Optional.empty(),
        Optional.empty(),
        policy,
        1,
        Progress.NONE);
  }

  @Override
  public int size() {
    return labels.length;
  }

  @Override
  public int classes() {
    return classes;
  }

  @Override
  public Shape sampleShape() {
    return new Shape(1, 1, classes);
  }

  @Override
  public String sampleId(int index) {
    return Integer.toString(index);
  }

  @Override
  public OptionalInt indexOf(String sampleId) {
    return OptionalInt.of(Integer.parseInt(sampleId));
  }

  @Override
  public int label(int index) {
    return labels[index];
  }

  @Override
  public NDList batch(NDManager manager, int[] indices) {
    float[] x = new float[indices.length * classes];
    for (int i = 0; i < indices.length; i++) {
      x[i * classes + labels[indices[i]]] = 1;
    }
    long[] y = Arrays.stream(indices).mapToLong(index -> labels[index]).toArray();
    return new NDList(
        manager.create(x, new Shape(indices.length, 1, 1, classes)), manager.create(y));
  }

  @Override
  public Optional<String> subject(int index) {
    return Optional.empty();
  }

  @Override
  public String digest() {
    return "one-hot " + Arrays.toString(labels);
  }
}
