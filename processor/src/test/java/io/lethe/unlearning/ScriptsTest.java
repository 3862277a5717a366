package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The TorchScript sources that the engine runs. */
class ScriptsTest {
  private static final Pattern FACTORY =
      Pattern.compile(
          "torch\\.(zeros|ones|empty|full|tensor|rand|randn|arange|eye|linspace|scalar_tensor)\\(.*");

  /** Without a GPU nothing else shows it: such an array would lie on the host. */
  @ParameterizedTest
  @ValueSource(strings = {"convolution_squares.py", "output_gradients.py", "lethe_probes.py"})
  void noArrayIsMadeOnTheDefaultDeviceOrOfTheDefaultType(String source) throws IOException {
    try (InputStream in = NativeScript.class.getResourceAsStream(source)) {
      String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);

      List<String> calls = FACTORY.matcher(text).results().map(MatchResult::group).toList();

      assertThat(calls).isNotEmpty();
      assertThat(calls).allSatisfy(call -> assertThat(call).contains("dtype=", "device="));
    }
  }

  @ParameterizedTest
  @CsvSource({
    // groups, channels, filters, side, kernel, stride, padding, dilation
    "1, 3, 4, 9, 3, 1, 1, 1",
    "1, 3, 4, 9, 2, 1, 0, 1",
    "1, 3, 4, 12, 3, 1, 2, 2",
    "1, 3, 4, 9, 3, 2, 1, 1",
    "1, 3, 4, 9, 1, 1, 0, 1",
    "1, 3, 4, 9, 1, 2, 0, 1",
    "2, 4, 6, 9, 3, 1, 1, 1",
    "4, 4, 4, 9, 3, 2, 1, 1",
    "3, 3, 6, 9, 3, 1, 1, 1",
  })
  void theFormsOfAConvolutionAgree(
      int groups,
      int channels,
      int filters,
      int side,
      int kernel,
      int stride,
      int padding,
      int dilation) {
    ConvolutionSquares.Geometry geometry =
        new ConvolutionSquares.Geometry(
            groups, both(kernel), both(stride), both(padding), both(dilation));
    int out = (side + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray input =
          manager.randomNormal(0, 1, new Shape(5, channels, side, side), DataType.FLOAT64);
      NDArray gradient =
          manager.randomNormal(0, 1, new Shape(5, filters, out, out), DataType.FLOAT64);
      double[] expected = squares(input, gradient, geometry, ConvolutionSquares.Form.SHIFTED);

      assertThat(squares(input, gradient, geometry, ConvolutionSquares.Form.UNFOLDED))
          .usingComparatorWithPrecision(1e-9)
          .containsExactly(expected);
      if (stride == 1) {
        assertThat(squares(input, gradient, geometry, ConvolutionSquares.Form.VIEWS))
            .usingComparatorWithPrecision(1e-9)
            .containsExactly(expected);
      }
    }
  }

  private static long[] both(int value) {
    return new long[] {value, value};
  }

  private static double[] squares(
      NDArray input,
      NDArray gradient,
      ConvolutionSquares.Geometry geometry,
      ConvolutionSquares.Form form) {
    return ConvolutionSquares.sum(input, gradient, geometry, form).toDoubleArray();
  }

  @Test
  void theFormFollowsFromTheShapeAlone() {
    assertThat(form(64, 3, 1, 32)).isEqualTo(ConvolutionSquares.Form.VIEWS);
    assertThat(form(256, 3, 1, 8)).isEqualTo(ConvolutionSquares.Form.VIEWS);
    assertThat(form(512, 3, 1, 4)).isEqualTo(ConvolutionSquares.Form.SHIFTED);
    assertThat(form(64, 3, 2, 16)).isEqualTo(ConvolutionSquares.Form.SHIFTED);
    assertThat(form(3, 7, 2, 32)).isEqualTo(ConvolutionSquares.Form.UNFOLDED);
  }

  /** With the usual padding and a square output of the given side. */
  private static ConvolutionSquares.Form form(int channels, int kernel, int stride, int out) {
    return new ConvolutionSquares.Geometry(1, both(kernel), both(stride), both(kernel / 2), both(1))
        .form(
            new Shape(1, channels, (long) out * stride, (long) out * stride),
            new Shape(1, 8, out, out));
  }
}
