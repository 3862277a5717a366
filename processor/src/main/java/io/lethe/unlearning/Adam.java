package io.lethe.unlearning;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.List;

/**
 * Adam (Kingma and Ba, ICLR 2015, arXiv 1412.6980, algorithm 1) over a model's weights, optionally
 * under a mask, or over any other arrays.
 *
 * <p>All arrays are updated by one call of PyTorch's fused kernel. The call that DJL offers makes
 * some ten passes over each array: for 0.4 million weights, of a network that is small otherwise, a
 * fifth of a training step (0.9 ms in place of 0.2, two cores).
 */
public final class Adam implements Optimizer {
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double EPSILON = 1e-8;

  private final List<NDArray> arrays;
  private final NDManager scope;
  private final NDList means = new NDList();
  private final NDList variances = new NDList();
  private final NDArray steps;
  private final NDList masks;
  private final double decay;

  /** Loaded on first use. */
  private static final class Holder {
    static final NativeScript SCRIPT = NativeScript.load("fused_adam.py", "FusedAdam");
    static final NDManager HOST = NDManager.newBaseManager(Device.cpu(), "PyTorch");
  }

  /**
   * @param masks one array of zeros and ones per weight, owned by the caller, or null: a weight
   *     under a zero takes no step
   * @param decay L2 weight decay
   */
  public Adam(LoadedModel model, NDList masks, double decay) {
    this(
        model.manager(),
        model.weights().stream().map(LoadedModel.Weight::array).toList(),
        masks,
        decay);
  }

  /** Over arrays that the caller owns. */
  public static Adam over(NDManager manager, List<NDArray> arrays) {
    return new Adam(manager, arrays, null, 0);
  }

  private Adam(NDManager manager, List<NDArray> arrays, NDList masks, double decay) {
    this.arrays = List.copyOf(arrays);
    scope = manager.newSubManager();
    this.masks = masks;
    this.decay = decay;
    steps = named("step", scope.zeros(new Shape(), DataType.FLOAT32));
    for (NDArray array : arrays) {
      means.add(named("means[]", scope.zeros(array.getShape(), array.getDataType())));
      variances.add(named("variances[]", scope.zeros(array.getShape(), array.getDataType())));
      array.setRequiresGradient(true);
      GradientMode.zero(array);
    }
  }

  @Override
  public void step(NDArray outputs, NDArray gradient, double learningRate) {
    GradientMode.backward(outputs, gradient);
    try (GradientMode off = GradientMode.off()) {
      NDList gradients = new NDList();
      for (int i = 0; i < arrays.size(); i++) {
        PtNDArray ofArray = ((PtNDArray) arrays.get(i)).getGradient();
        if (masks != null) {
          ofArray.muli(masks.get(i));
        }
        gradients.add(ofArray);
      }
      try {
        apply(gradients, learningRate);
      } finally {
        gradients.close();
      }
      arrays.forEach(GradientMode::zero);
    }
  }

  /**
   * One update from gradients that were computed elsewhere, one per array; call it without
   * recording.
   */
  public void apply(NDList gradients, double learningRate) {
    steps.addi(1);
    List<String> names = arrays.stream().map(NDArray::getName).toList();
    double[] settings = {learningRate, decay, BETA1, BETA2, EPSILON};
    try (NDArray given = Holder.HOST.create(settings)) {
      NDList arguments = new NDList();
      arrays.forEach(array -> arguments.add(named("arrays[]", array)));
      gradients.forEach(gradient -> arguments.add(named("gradients[]", gradient)));
      arguments.addAll(means);
      arguments.addAll(variances);
      arguments.add(steps);
      arguments.add(given);
      Holder.SCRIPT.run(arguments).close();
    } finally {
      for (int i = 0; i < names.size(); i++) {
        arrays.get(i).setName(names.get(i));
      }
    }
  }

  private static NDArray named(String name, NDArray array) {
    array.setName(name);
    return array;
  }

  @Override
  public void close() {
    for (NDArray array : arrays) {
      array.setRequiresGradient(false);
    }
    scope.close();
  }
}
