package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.util.List;

/**
 * Stochastic gradient descent with momentum: {@code v ← μ·v + s·(g + d·w)}, {@code w ← w − rate·v}.
 * Unlike Adam it keeps the scale s of a gradient.
 */
public final class Sgd implements Optimizer {
  private final List<NDArray> arrays;
  private final NDManager scope;
  private final NDList velocities = new NDList();
  private final NDList scales;
  private final double momentum;
  private final double decay;

  /**
   * @param scales factor of each weight's gradient, one array per weight, owned by the caller
   * @param momentum μ, 0 to below 1
   * @param decay d, L2 weight decay
   */
  public Sgd(LoadedModel model, NDList scales, double momentum, double decay) {
    arrays = model.weights().stream().map(LoadedModel.Weight::array).toList();
    scope = model.manager().newSubManager();
    this.scales = scales;
    this.momentum = momentum;
    this.decay = decay;
    for (NDArray array : arrays) {
      velocities.add(scope.zeros(array.getShape(), array.getDataType()));
      array.setRequiresGradient(true);
      GradientMode.zero(array);
    }
  }

  @Override
  public void step(NDArray outputs, NDArray ofOutputs, double learningRate) {
    GradientMode.backward(outputs, ofOutputs);
    try (GradientMode off = GradientMode.off()) {
      for (int i = 0; i < arrays.size(); i++) {
        NDArray array = arrays.get(i);
        try (NDManager step = scope.newSubManager();
            PtNDArray gradient = ((PtNDArray) array).getGradient()) {
          step.tempAttachAll(array, gradient, velocities.get(i), scales.get(i));
          NDArray scaled = gradient.add(array.mul(decay)).mul(scales.get(i));
          velocities.get(i).muli(momentum).addi(scaled);
          array.subi(velocities.get(i).mul(learningRate));
        }
        GradientMode.zero(array);
      }
    }
  }

  @Override
  public void close() {
    for (NDArray array : arrays) {
      array.setRequiresGradient(false);
    }
    scope.close();
  }
}
