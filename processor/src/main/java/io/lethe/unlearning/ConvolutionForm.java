package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.convolutional.Convolution;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;

/**
 * Convolutions over one or two axes, with any stride, padding, dilation and groups.
 *
 * <p>A sample's gradient at kernel position (i, j) is {@code g_b · shift_ij(a_b)ᵀ}, summed over
 * output positions: one batched product per kernel position on shifted slices of the input, or one
 * product with the unfolded input.
 */
final class ConvolutionForm implements LayerForm {
  private final boolean bias;
  private final long groups;
  private final long[] kernel;
  private final long[] stride;
  private final long[] padding;
  private final long[] dilation;
  private final Shape kernelShape;

  ConvolutionForm(Convolution layer) {
    this(
        layer.isIncludeBias(),
        layer.getGroups(),
        layer.getKernelShape(),
        layer.getStride(),
        layer.getPadding(),
        layer.getDilation());
  }

  /** Shapes have an entry for each axis that the kernel moves along, one or two. */
  ConvolutionForm(
      boolean bias, long groups, Shape kernel, Shape stride, Shape padding, Shape dilation) {
    this.bias = bias;
    this.groups = groups;
    kernelShape = kernel;
    this.kernel = twoAxes(kernel, 1);
    this.stride = twoAxes(stride, 1);
    this.padding = twoAxes(padding, 0);
    this.dilation = twoAxes(dilation, 1);
  }

  /** A convolution over one axis is one over two, of which the first has length 1. */
  private static long[] twoAxes(Shape shape, long first) {
    return shape.dimension() == 1
        ? new long[] {first, shape.get(0)}
        : new long[] {shape.get(0), shape.get(1)};
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    return compute(input, gradient, UnaryOperator.identity(), 1);
  }

  /**
   * Without groups by {@link ConvolutionSquares}. In groups each kernel position's products are
   * squared at once: they are small there.
   */
  @Override
  public Map<String, NDArray> squares(NDArray input, NDArray gradient) {
    if (groups > 1) {
      return compute(input, gradient, value -> value.square().sum(new int[] {0}), 0);
    }
    Map<String, NDArray> squares = new TreeMap<>();
    NDArray a = fourAxes(input);
    NDArray g = fourAxes(gradient);
    long filters = g.getShape().get(1);
    squares.put(
        "weight",
        ConvolutionSquares.sum(a, g, kernel, stride, padding, dilation)
            .reshape(new Shape(filters, a.getShape().get(1)).addAll(kernelShape)));
    if (bias) {
      NDArray perFilter = g.reshape(g.getShape().get(0), filters, -1).sum(new int[] {2});
      squares.put("bias", perFilter.square().sum(new int[] {0}));
    }
    return squares;
  }

  private Map<String, NDArray> compute(
      NDArray input, NDArray gradient, UnaryOperator<NDArray> reduce, int leading) {
    NDManager owner = input.getManager();
    long samples = input.getShape().get(0);
    NDArray a = fourAxes(input);
    NDArray g4 = fourAxes(gradient);
    long filters = g4.getShape().get(1);
    long channels = a.getShape().get(1);
    Map<String, NDArray> result = new TreeMap<>();
    NDArray g = g4.reshape(samples * groups, filters / groups, -1);
    if (bias) {
      NDArray perFilter = gradient.reshape(samples, filters, -1).sum(new int[] {2});
      result.put("bias", reduce.apply(perFilter));
    }
    NDArray padded = pad(a);
    NDList positions = new NDList();
    for (long i = 0; i < kernel[0]; i++) {
      for (long j = 0; j < kernel[1]; j++) {
        try (NDManager scope = owner.newSubManager()) {
          scope.tempAttachAll(padded, g);
          NDArray shifted =
              shift(padded, i * dilation[0], j * dilation[1], g4.getShape())
                  .reshape(samples * groups, channels / groups, -1);
          NDArray products =
              channels == groups && filters == groups
                  ? g.mul(shifted).sum(new int[] {2})
                  : g.batchMatMul(shifted.transpose(0, 2, 1));
          NDArray reduced = reduce.apply(products.reshape(samples, filters, channels / groups));
          reduced.attach(owner);
          positions.add(reduced);
        }
      }
    }
    Shape shape = new Shape(filters, channels / groups).addAll(kernelShape);
    result.put(
        "weight",
        NDArrays.stack(positions, leading + 2)
            .reshape(leading == 1 ? new Shape(samples).addAll(shape) : shape));
    return result;
  }

  private static NDArray fourAxes(NDArray array) {
    return array.getShape().dimension() == 3 ? array.expandDims(2) : array;
  }

  private NDArray shift(NDArray padded, long top, long left, Shape out) {
    return padded.get(
        new NDIndex()
            .addAllDim(2)
            .addSliceDim(top, top + (out.get(2) - 1) * stride[0] + 1, stride[0])
            .addSliceDim(left, left + (out.get(3) - 1) * stride[1] + 1, stride[1]));
  }

  private NDArray pad(NDArray a) {
    if (padding[0] == 0 && padding[1] == 0) {
      return a;
    }
    Shape shape = a.getShape();
    NDArray padded =
        a.getManager()
            .zeros(
                new Shape(
                    shape.get(0),
                    shape.get(1),
                    shape.get(2) + 2 * padding[0],
                    shape.get(3) + 2 * padding[1]),
                a.getDataType());
    padded.set(
        new NDIndex()
            .addAllDim(2)
            .addSliceDim(padding[0], padding[0] + shape.get(2))
            .addSliceDim(padding[1], padding[1] + shape.get(3)),
        a);
    return padded;
  }
}
