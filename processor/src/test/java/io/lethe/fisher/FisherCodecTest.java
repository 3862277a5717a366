package io.lethe.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.events.FisherEncoding;
import java.util.Arrays;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;

class FisherCodecTest {
  private static float[] decoded(FisherEncoding encoding, float[] values) {
    float[] result = new float[values.length];
    byte[] data = FisherCodec.encode(encoding, values, 0, values.length);
    FisherCodec.decode(encoding, data, result, 0, values.length);
    return result;
  }

  @Property
  void float32IsExact(@ForAll @Size(max = 300) float[] values) {
    assertThat(decoded(FisherEncoding.FLOAT32, values)).containsExactly(values);
  }

  @Property
  void bfloat16IsTheNearestOfItsKind(@ForAll @Size(max = 300) float[] values) {
    float[] result = decoded(FisherEncoding.BFLOAT16_ZSTD, values);

    for (int i = 0; i < values.length; i++) {
      float below = Float.intBitsToFloat(Float.floatToRawIntBits(values[i]) & 0xffff0000);
      float above =
          Float.intBitsToFloat((Float.floatToRawIntBits(values[i]) & 0xffff0000) + 0x10000);
      double nearest =
          Float.isInfinite(above) || Float.isNaN(above)
              ? Math.abs((double) values[i] - below)
              : Math.min(
                  Math.abs((double) values[i] - below), Math.abs((double) values[i] - above));
      assertThat(Math.abs((double) values[i] - result[i])).isEqualTo(nearest);
      assertThat(Float.floatToRawIntBits(result[i]) & 0xffff).isZero();
    }
  }

  @Property
  void aSumIsOffByLessThanHalfAPerCentOverAllOfFloat32sRange(
      @ForAll long seed, @ForAll @IntRange(min = -125, max = 127) int exponent) {
    Random random = new Random(seed);
    float[] values = new float[100];
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.scalb(1 + random.nextFloat(), exponent);
    }

    float[] result = decoded(FisherEncoding.BFLOAT16_ZSTD, values);

    for (int i = 0; i < values.length; i++) {
      assertThat(Math.abs((double) values[i] - result[i])).isLessThanOrEqualTo(values[i] / 256.0);
    }
  }

  @Test
  void bfloat16RoundsTiesToEvenAndNothingBecomesInfinite() {
    float[] values = {
      0f, 1f, Float.intBitsToFloat(0x3f808000), Float.intBitsToFloat(0x3f818000), Float.MAX_VALUE
    };

    assertThat(decoded(FisherEncoding.BFLOAT16_ZSTD, values))
        .containsExactly(
            0f, 1f, 1f, Float.intBitsToFloat(0x3f820000), Float.intBitsToFloat(0x7f7f0000));
  }

  /** Sums as a network has them: a random weight's square times its tensor's scale. */
  @Test
  void bfloat16TakesLessThanATenthOverAThirdOfTheSpace() {
    Random random = new Random(1);
    float[] values = new float[131_072];
    for (int i = 0; i < values.length; i++) {
      values[i] = 1e-4f * (float) (random.nextGaussian() * random.nextGaussian());
      values[i] *= values[i];
    }

    byte[] data = FisherCodec.encode(FisherEncoding.BFLOAT16_ZSTD, values, 0, values.length);

    assertThat(data.length).isLessThan(values.length * 4 * 4 / 10);
  }

  @Property
  void damagedDataNeverThrowsAnythingElse(@ForAll long seed) {
    Random random = new Random(seed);
    float[] values = new float[64];
    for (int i = 0; i < values.length; i++) {
      values[i] = random.nextFloat();
    }
    for (FisherEncoding encoding : FisherEncoding.values()) {
      byte[] data = FisherCodec.encode(encoding, values, 0, values.length);
      data = Arrays.copyOf(data, random.nextInt(2 * data.length));
      if (data.length > 0) {
        data[random.nextInt(data.length)] ^= (byte) (1 << random.nextInt(8));
      }
      try {
        FisherCodec.decode(encoding, data, new float[64], 0, 64);
      } catch (IllegalArgumentException e) {
        assertThat(e.getMessage()).isNotBlank();
      }
      assertThat(FisherCodec.claimedValues(encoding, data)).isGreaterThanOrEqualTo(-1);
    }
  }

  @Test
  void refusesDataOfMoreOrFewerValues() {
    for (FisherEncoding encoding : FisherEncoding.values()) {
      byte[] data = FisherCodec.encode(encoding, new float[10], 0, 10);

      assertThat(FisherCodec.claimedValues(encoding, data)).isEqualTo(10);
      for (int wrong : new int[] {9, 11}) {
        assertThatThrownBy(() -> FisherCodec.decode(encoding, data, new float[11], 0, wrong))
            .isInstanceOf(IllegalArgumentException.class);
      }
    }
  }
}
