package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.convolutional.Conv2d;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import java.lang.reflect.Field;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The exact per-sample sums of squared weight gradients of one kind of layer, from its input and
 * the gradient by its output. B samples, g the gradient, a the input.
 */
interface LayerForm {
  /**
   * @param call a layer's run; all arrays are freed with the call's manager
   * @param gradient gradient by the output, of the output's shape
   * @return by the parameter's own name (such as {@code weight}), {@code Σ_b (∂ loss_b / ∂θ)²} of
   *     the parameter's shape; only trainable parameters
   */
  Map<String, NDArray> squares(ProbedBlock.Call call, NDArray gradient);

  /** The form of a layer, or empty where there is none; then its children are looked at. */
  static Optional<LayerForm> of(Block block) {
    // Exact classes: a subclass may compute something else.
    if (block.getClass() == Linear.class) {
      return Optional.of(new OfLinear((Linear) block));
    }
    if (block.getClass() == Conv2d.class && ((Conv2d) block).getGroups() == 1) {
      return Optional.of(new OfConv2d((Conv2d) block));
    }
    if (block.getClass() == BatchNorm.class) {
      return OfBatchNorm.of((BatchNorm) block);
    }
    return Optional.empty();
  }

  /**
   * Linear (B, F) to (B, O): each sample's gradient is an outer product, so {@code Σ_b (g_b a_bᵀ)²
   * = (g²)ᵀ (a²)}. On sequences (B, …, F) a sample's products are added over positions first.
   */
  final class OfLinear implements LayerForm {
    private final boolean bias;

    OfLinear(Linear layer) {
      bias = layer.getDirectParameters().contains("bias");
    }

    @Override
    public Map<String, NDArray> squares(ProbedBlock.Call call, NDArray gradient) {
      Map<String, NDArray> squares = new TreeMap<>();
      NDArray input = call.input();
      if (input.getShape().dimension() == 2) {
        NDArray g2 = gradient.square();
        squares.put("weight", g2.transpose().matMul(input.square()));
        if (bias) {
          squares.put("bias", g2.sum(new int[] {0}));
        }
      } else {
        long samples = input.getShape().get(0);
        NDArray g = gradient.reshape(samples, -1, gradient.getShape().getLastDimension());
        NDArray a = input.reshape(samples, -1, input.getShape().getLastDimension());
        squares.put("weight", g.transpose(0, 2, 1).batchMatMul(a).square().sum(new int[] {0}));
        if (bias) {
          squares.put("bias", g.sum(new int[] {1}).square().sum(new int[] {0}));
        }
      }
      return squares;
    }
  }

  /**
   * Convolution: a sample's gradient at kernel position (i, j) is {@code g_b · shift_ij(a_b)ᵀ} over
   * output positions: one batched product per kernel position, on shifted slices of the input.
   */
  final class OfConv2d implements LayerForm {
    private final Conv2d layer;

    OfConv2d(Conv2d layer) {
      this.layer = layer;
    }

    @Override
    public Map<String, NDArray> squares(ProbedBlock.Call call, NDArray gradient) {
      Map<String, NDArray> squares = new TreeMap<>();
      NDArray a = call.input();
      Shape out = gradient.getShape();
      long samples = out.get(0);
      long filters = out.get(1);
      long channels = a.getShape().get(1);
      NDArray g = gradient.reshape(samples, filters, -1);
      if (layer.isIncludeBias()) {
        squares.put("bias", g.sum(new int[] {2}).square().sum(new int[] {0}));
      }
      Shape kernel = layer.getKernelShape();
      Shape stride = layer.getStride();
      Shape dilation = layer.getDilation();
      NDArray padded = pad(a, layer.getPadding());
      NDList perPosition = new NDList();
      NDManager owner = a.getManager();
      for (long i = 0; i < kernel.get(0); i++) {
        for (long j = 0; j < kernel.get(1); j++) {
          try (NDManager scope = owner.newSubManager()) {
            scope.tempAttachAll(padded, g);
            long top = i * dilation.get(0);
            long left = j * dilation.get(1);
            NDArray slice =
                padded.get(
                    new NDIndex()
                        .addAllDim(2)
                        .addSliceDim(top, top + (out.get(2) - 1) * stride.get(0) + 1, stride.get(0))
                        .addSliceDim(
                            left, left + (out.get(3) - 1) * stride.get(1) + 1, stride.get(1)));
            NDArray shifted = slice.reshape(samples, channels, -1).transpose(0, 2, 1);
            NDArray sum = g.batchMatMul(shifted).square().sum(new int[] {0});
            sum.attach(owner);
            perPosition.add(sum);
          }
        }
      }
      squares.put(
          "weight",
          ai.djl.ndarray.NDArrays.stack(perPosition, 2)
              .reshape(filters, channels, kernel.get(0), kernel.get(1)));
      return squares;
    }

    private static NDArray pad(NDArray a, Shape padding) {
      long rows = padding.get(0);
      long columns = padding.get(1);
      if (rows == 0 && columns == 0) {
        return a;
      }
      Shape shape = a.getShape();
      NDArray padded =
          a.getManager()
              .zeros(
                  new Shape(
                      shape.get(0),
                      shape.get(1),
                      shape.get(2) + 2 * rows,
                      shape.get(3) + 2 * columns),
                  a.getDataType());
      padded.set(
          new NDIndex()
              .addAllDim(2)
              .addSliceDim(rows, rows + shape.get(2))
              .addSliceDim(columns, columns + shape.get(3)),
          a);
      return padded;
    }
  }

  /**
   * BatchNorm in eval mode, {@code y = γ x̂ + β} with constant statistics: {@code ∂γ = Σ_hw g x̂}
   * and {@code ∂β = Σ_hw g} per sample and channel.
   */
  final class OfBatchNorm implements LayerForm {
    private final NormValues values;

    /** What DJL keeps private. */
    private record NormValues(Parameter mean, Parameter variance, float epsilon) {}

    private OfBatchNorm(NormValues values) {
      this.values = values;
    }

    static Optional<LayerForm> of(BatchNorm layer) {
      Map<String, Parameter> parameters = layer.getDirectParameters().toMap();
      if (!parameters.get("gamma").requiresGradient()
          || !parameters.get("beta").requiresGradient()
          || axis(layer) != 1) {
        return Optional.empty();
      }
      return Optional.of(
          new OfBatchNorm(
              new NormValues(
                  parameters.get("runningMean"),
                  parameters.get("runningVar"),
                  (float) field(layer, "epsilon"))));
    }

    private static int axis(BatchNorm layer) {
      return (int) field(layer, "axis");
    }

    private static Object field(BatchNorm layer, String name) {
      try {
        Field field = BatchNorm.class.getDeclaredField(name);
        field.setAccessible(true);
        return field.get(layer);
      } catch (ReflectiveOperationException e) {
        throw new IllegalStateException("BatchNorm has no field " + name + " any more", e);
      }
    }

    @Override
    public Map<String, NDArray> squares(ProbedBlock.Call call, NDArray gradient) {
      Shape shape = call.input().getShape();
      long samples = shape.get(0);
      long channels = shape.get(1);
      NDArray g = gradient.reshape(samples, channels, -1);
      NDArray a = call.input().reshape(samples, channels, -1);
      NDArray mean = values.mean().getArray();
      NDArray variance = values.variance().getArray();
      // x̂ = (a − mean) / std is constant in the positions but for a, so
      // Σ g x̂ = (Σ g a − mean Σ g) / std; computed directly, as the difference cancels digits.
      NDManager scope = call.input().getManager();
      NDArray centre = copy(mean, scope).reshape(1, channels, 1);
      NDArray deviation = copy(variance, scope).add(values.epsilon()).sqrt().reshape(1, channels);
      NDArray perSample = a.sub(centre).mul(g).sum(new int[] {2}).div(deviation);
      Map<String, NDArray> squares = new TreeMap<>();
      squares.put("gamma", perSample.square().sum(new int[] {0}));
      squares.put("beta", g.sum(new int[] {2}).square().sum(new int[] {0}));
      return squares;
    }

    /** Results attach to the left operand's manager: the minibatch's, not the model's. */
    private static NDArray copy(NDArray array, NDManager scope) {
      NDArray copy = array.duplicate();
      copy.attach(scope);
      return copy;
    }
  }
}
