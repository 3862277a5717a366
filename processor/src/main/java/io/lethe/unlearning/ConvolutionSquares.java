package io.lethe.unlearning;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/**
 * {@code Σ_b (g_b · unfold(a_b)ᵀ)²} in native code, a few samples at a time, so that a sample's
 * products are squared and summed while they are in the cache.
 *
 * <p>There are two forms, which differ in rounding only. <em>Shifted</em>: for each kernel position
 * one batched product of the gradients with the slice of the inputs that this position meets.
 * <em>Unfolded</em>: one batched product with the unfolded inputs. Which one runs follows from the
 * layer's shape alone, never from a clock, so that two runs give the same bytes. Shifted is the
 * faster one where a slice has enough channels to make a product worth while: where the kernel has
 * no more positions than the layer has channels, or at most nine. Measured on two cores (Zen 4,
 * float32), ms per sample, unfolded and shifted: 64 channels 3×3 at 32×32 1.02 and 0.73; 128 at
 * 16×16 0.78 and 0.60; 256 at 8×8 0.74 and 0.64; 512 at 4×4 1.34 and 1.04; 32 to 64 at 14×14 0.19
 * and 0.12; 3 to 64, 7×7 with stride 2 at 64×64, 0.31 and 0.85. Others that lost: a loop over
 * samples of products into one buffer, PyTorch's own weight gradient one sample at a time, and a
 * convolution with a group per sample.
 *
 * <p>DJL offers neither unfold nor a multiply-add in place, and a call into it per sample would
 * cost more than the arithmetic. So the loop is a small TorchScript module. Its archive is put
 * together here from readable source: a zip with the source, a pickle of an object without state,
 * and no constants.
 *
 * <p>The module is loaded once, lives as long as the process, has no state, and may be run by
 * several threads at once.
 */
final class ConvolutionSquares {
  /** What a chunk's products and unfolded inputs may take: a good part of the last cache. */
  private static final long CHUNK_BYTES = 8 << 20;

  /** Kernels of so few positions are always shifted. */
  private static final long FEW_POSITIONS = 9;

  private static final String NAME = "ConvolutionSquares";

  private ConvolutionSquares() {}

  /** Loaded on first use. */
  private static final class Holder {
    static final PtSymbolBlock MODULE = load();

    private static PtSymbolBlock load() {
      try (InputStream source =
          ConvolutionSquares.class.getResourceAsStream("convolution_squares.py")) {
        PtNDManager manager = (PtNDManager) NDManager.newBaseManager("PyTorch");
        byte[] archive = archive(source.readAllBytes());
        return JniUtils.loadModule(manager, new ByteArrayInputStream(archive), false, false);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  /**
   * @param input (B, C, H, W)
   * @param gradient (B, O, height, width) of the output
   * @return (O, C · kernel height · kernel width), or a view of as many values in that order, of
   *     the input's manager
   */
  static NDArray sum(
      NDArray input,
      NDArray gradient,
      long[] kernel,
      long[] stride,
      long[] padding,
      long[] dilation) {
    return sum(
        input,
        gradient,
        kernel,
        stride,
        padding,
        dilation,
        shifted(input.getShape().get(1), kernel));
  }

  /** Whether a layer's form is the shifted one. */
  static boolean shifted(long channels, long[] kernel) {
    return kernel[0] * kernel[1] <= Math.max(FEW_POSITIONS, channels);
  }

  /** In the given form. */
  static NDArray sum(
      NDArray input,
      NDArray gradient,
      long[] kernel,
      long[] stride,
      long[] padding,
      long[] dilation,
      boolean shifted) {
    long channels = input.getShape().get(1);
    Shape out = gradient.getShape();
    long positions = kernel[0] * kernel[1];
    long perSample =
        shifted
            ? out.get(1) * channels
            : channels * positions * (out.get(1) + out.get(2) * out.get(3));
    long bytes = perSample * input.getDataType().getNumOfBytes();
    long chunk = Math.max(1, Math.min(CHUNK_BYTES / bytes, out.get(0)));
    IValue[] arguments = {
      IValue.from((PtNDArray) input),
      IValue.from((PtNDArray) gradient),
      IValue.listFrom(kernel),
      IValue.listFrom(stride),
      IValue.listFrom(padding),
      IValue.listFrom(dilation),
      IValue.from(shifted),
      IValue.from(chunk)
    };
    try (IValue result = IValueUtils.forward(Holder.MODULE, arguments)) {
      return result.toTensor((PtNDManager) input.getManager());
    } finally {
      for (IValue argument : arguments) {
        argument.close();
      }
    }
  }

  /** A TorchScript archive of a module of the given source. */
  private static byte[] archive(byte[] source) throws IOException {
    // Pickle, protocol 2: an object of the class, its state a dictionary with training = False.
    ByteArrayOutputStream state = new ByteArrayOutputStream();
    state.write(new byte[] {(byte) 0x80, 2, 'c'});
    state.write(("__torch__\n" + NAME + "\n").getBytes(StandardCharsets.US_ASCII));
    state.write(new byte[] {')', (byte) 0x81, '}', '(', 'X', 8, 0, 0, 0});
    state.write("training".getBytes(StandardCharsets.US_ASCII));
    state.write(new byte[] {(byte) 0x89, 'u', 'b', '.'});
    ByteArrayOutputStream archive = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(archive)) {
      put(zip, "data.pkl", state.toByteArray());
      put(zip, "code/__torch__.py", source);
      put(zip, "constants.pkl", new byte[] {(byte) 0x80, 2, ')', '.'});
      put(zip, "version", new byte[] {'3', '\n'});
    }
    return archive.toByteArray();
  }

  private static void put(ZipOutputStream zip, String name, byte[] content) throws IOException {
    CRC32 crc = new CRC32();
    crc.update(content);
    ZipEntry entry = new ZipEntry(NAME + "/" + name);
    entry.setTime(0);
    entry.setMethod(ZipEntry.STORED);
    entry.setSize(content.length);
    entry.setCompressedSize(content.length);
    entry.setCrc(crc.getValue());
    zip.putNextEntry(entry);
    zip.write(content);
    zip.closeEntry();
  }
}
