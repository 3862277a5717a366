package io.lethe.unlearning;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;

/**
 * {@code Σ_b (g_b · unfold(a_b)ᵀ)²} in native code, in each group of channels, some samples at a
 * time, so that their products are squared and summed while they are in the cache.
 *
 * <p>There are three forms, which differ in rounding only. <em>Shifted</em>: for each kernel
 * position one batched product of the gradients with the slice of the inputs that this position
 * meets. <em>Views</em>: the same at stride 1 without copying slices. With the gradients padded to
 * the width of the padded inputs, a kernel position is an offset in the flattened image; the zeros
 * lengthen each product, by 6 % at 32×32 and by 25 % at 8×8, where it still is as fast.
 * <em>Unfolded</em>: one batched product with the unfolded inputs. Which one runs follows from the
 * layer's shape alone, never from a clock, so that two runs give the same bytes. Shifted is the
 * faster one where a slice has enough channels to make a product worth while: where the kernel has
 * no more positions than the layer has channels, or at most nine.
 *
 * <p>Measured on two cores (Zen 4, float32), ms per sample, unfolded, shifted and views: 64
 * channels 3×3 at 32×32 1.02, 0.74 and 0.65; 128 at 16×16 0.78, 0.60 and 0.57; 256 at 8×8 0.74,
 * 0.68 and 0.71; 512 at 4×4 1.34 and 1.12; 32 to 64 at 14×14 0.19 and 0.11; 3 to 64, 7×7 with
 * stride 2 at 64×64, 0.31 and 0.85. Others that lost: a loop over samples of products into one
 * buffer, PyTorch's own weight gradient one sample at a time, a convolution with a group per
 * sample, blocks of filters that fit the second cache, and the same arithmetic in Java (scalar, and
 * by the incubating vectors).
 */
final class ConvolutionSquares {
  /** What a chunk's products and unfolded inputs may take: a good part of the last cache. */
  private static final long CHUNK_BYTES = 8 << 20;

  /** Kernels of so few positions are always shifted. */
  private static final long FEW_POSITIONS = 9;

  /** How an inner sum runs; numbers as in the script. */
  enum Form {
    UNFOLDED,
    SHIFTED,
    VIEWS
  }

  private ConvolutionSquares() {}

  /** Loaded on first use. */
  private static final class Holder {
    static final NativeScript SCRIPT =
        NativeScript.load("convolution_squares.py", ConvolutionSquares.class.getSimpleName());
    static final NDManager HOST = NDManager.newBaseManager(Device.cpu(), "PyTorch");
  }

  /**
   * A layer's geometry, each with an entry for each of two axes.
   *
   * @param groups of channels that meet only their own filters
   */
  record Geometry(long groups, long[] kernel, long[] stride, long[] padding, long[] dilation) {
    /**
     * @param input (B, C, H, W)
     * @param out (B, O, height, width)
     */
    Form form(Shape input, Shape out) {
      if (kernel[0] * kernel[1] > Math.max(FEW_POSITIONS, input.get(1) / groups)) {
        return Form.UNFOLDED;
      }
      long padded = input.get(3) + 2 * padding[1];
      boolean nearlyAsWide = 4 * padded <= 5 * out.get(3);
      return stride[0] == 1 && stride[1] == 1 && nearlyAsWide ? Form.VIEWS : Form.SHIFTED;
    }
  }

  /**
   * @param input (B, C, H, W)
   * @param gradient (B, O, height, width) of the output
   * @return (O, C / groups · kernel height · kernel width), or a view of as many values in that
   *     order, of the input's manager
   */
  static NDArray sum(NDArray input, NDArray gradient, Geometry geometry) {
    return sum(input, gradient, geometry, geometry.form(input.getShape(), gradient.getShape()));
  }

  /** In the given form. */
  static NDArray sum(NDArray input, NDArray gradient, Geometry geometry, Form form) {
    long each = input.getShape().get(1) / geometry.groups;
    Shape out = gradient.getShape();
    long positions = geometry.kernel[0] * geometry.kernel[1];
    long perSample =
        form == Form.UNFOLDED
            ? each * positions * (out.get(1) + geometry.groups * out.get(2) * out.get(3))
            : out.get(1) * each;
    long bytes = perSample * input.getDataType().getNumOfBytes();
    long[] settings = {
      geometry.kernel[0],
      geometry.kernel[1],
      geometry.stride[0],
      geometry.stride[1],
      geometry.padding[0],
      geometry.padding[1],
      geometry.dilation[0],
      geometry.dilation[1],
      geometry.groups,
      form.ordinal(),
      Math.max(1, Math.min(CHUNK_BYTES / bytes, out.get(0)))
    };
    try (NDArray given = Holder.HOST.create(settings)) {
      return Holder.SCRIPT.run(new NDList(input, gradient, given)).singletonOrThrow();
    }
  }
}
