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

/**
 * Convolutions over one or two axes, with any stride, padding, dilation and groups.
 *
 * <p>A sample's gradient at kernel position (i, j) is {@code g_b · shift_ij(a_b)ᵀ}, summed over
 * output positions: one batched product per kernel position on shifted slices of the input. Sums of
 * squares alone: {@link ConvolutionSquares}.
 */
final class ConvolutionForm implements LayerForm {
  private final boolean bias;
  private final ConvolutionSquares.Geometry geometry;
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
    kernelShape = kernel;
    geometry =
        new ConvolutionSquares.Geometry(
            groups,
            twoAxes(kernel, 1),
            twoAxes(stride, 1),
            twoAxes(padding, 0),
            twoAxes(dilation, 1));
  }

  /** A convolution over one axis is one over two, of which the first has length 1. */
  private static long[] twoAxes(Shape shape, long first) {
    return shape.dimension() == 1
        ? new long[] {first, shape.get(0)}
        : new long[] {shape.get(0), shape.get(1)};
  }

  @Override
  public Map<String, NDArray> squares(NDArray input, NDArray gradient) {
    Map<String, NDArray> squares = new TreeMap<>();
    NDArray a = fourAxes(input);
    NDArray g = fourAxes(gradient);
    long filters = g.getShape().get(1);
    Shape shape = new Shape(filters, a.getShape().get(1) / geometry.groups()).addAll(kernelShape);
    squares.put("weight", ConvolutionSquares.sum(a, g, geometry).reshape(shape));
    if (bias) {
      squares.put("bias", bias(g).square().sum(new int[] {0}));
    }
    return squares;
  }

  private static NDArray bias(NDArray gradient) {
    Shape shape = gradient.getShape();
    return gradient.reshape(shape.get(0), shape.get(1), -1).sum(new int[] {2});
  }

  @Override
  public Map<String, NDArray> perSample(NDArray input, NDArray gradient) {
    NDManager owner = input.getManager();
    long samples = input.getShape().get(0);
    NDArray a = fourAxes(input);
    NDArray g4 = fourAxes(gradient);
    long groups = geometry.groups();
    long filters = g4.getShape().get(1);
    long channels = a.getShape().get(1);
    Map<String, NDArray> result = new TreeMap<>();
    if (bias) {
      result.put("bias", bias(g4));
    }
    NDArray g = g4.reshape(samples * groups, filters / groups, -1);
    NDArray padded = pad(a);
    NDList positions = new NDList();
    for (long i = 0; i < geometry.kernel()[0]; i++) {
      for (long j = 0; j < geometry.kernel()[1]; j++) {
        try (NDManager scope = owner.newSubManager()) {
          scope.tempAttachAll(padded, g);
          NDArray shifted =
              shift(padded, i * geometry.dilation()[0], j * geometry.dilation()[1], g4.getShape())
                  .reshape(samples * groups, channels / groups, -1);
          NDArray products =
              channels == groups && filters == groups
                  ? g.mul(shifted).sum(new int[] {2})
                  : g.batchMatMul(shifted.transpose(0, 2, 1));
          NDArray here = products.reshape(samples, filters, channels / groups);
          here.attach(owner);
          positions.add(here);
        }
      }
    }
    Shape shape = new Shape(samples, filters, channels / groups).addAll(kernelShape);
    result.put("weight", NDArrays.stack(positions, 3).reshape(shape));
    return result;
  }

  private static NDArray fourAxes(NDArray array) {
    return array.getShape().dimension() == 3 ? array.expandDims(2) : array;
  }

  private NDArray shift(NDArray padded, long top, long left, Shape out) {
    return padded.get(
        new NDIndex()
            .addAllDim(2)
            .addSliceDim(
                top, top + (out.get(2) - 1) * geometry.stride()[0] + 1, geometry.stride()[0])
            .addSliceDim(
                left, left + (out.get(3) - 1) * geometry.stride()[1] + 1, geometry.stride()[1]));
  }

  private NDArray pad(NDArray a) {
    long[] padding = geometry.padding();
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
