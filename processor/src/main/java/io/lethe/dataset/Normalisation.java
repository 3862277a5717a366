package io.lethe.dataset;

import java.util.Arrays;

/** Per channel {@code (x − mean) / std}, of values scaled to 0..1. */
final class Normalisation {
  private final float[] mean;
  private final float[] std;

  /** One value per channel, or one for all of them. */
  Normalisation(float[] mean, float[] std) {
    this.mean = mean;
    this.std = std;
  }

  /** Reads {@code mean} and {@code std} of a URI, comma-separated; 0 and 1 where absent. */
  static Normalisation of(DatasetUri uri, int channels) {
    float[] mean = values(uri, "mean", 0, channels);
    float[] std = values(uri, "std", 1, channels);
    for (float value : std) {
      if (value <= 0) {
        throw new DatasetException(uri + ": std must be positive");
      }
    }
    return new Normalisation(mean, std);
  }

  private static float[] values(DatasetUri uri, String name, float absent, int channels) {
    String[] parts = uri.text(name, Float.toString(absent)).split(",", -1);
    float[] values = new float[parts.length];
    for (int i = 0; i < parts.length; i++) {
      try {
        values[i] = Float.parseFloat(parts[i]);
      } catch (NumberFormatException e) {
        throw new DatasetException("%s: %s is not a number".formatted(uri, name), e);
      }
      if (!Float.isFinite(values[i])) {
        throw new DatasetException("%s: %s is not a finite number".formatted(uri, name));
      }
    }
    if (values.length != 1 && values.length != channels) {
      throw new DatasetException(
          "%s: %s has %d values for %d channels".formatted(uri, name, values.length, channels));
    }
    return values;
  }

  float apply(float value, int channel) {
    return (value - mean[mean.length == 1 ? 0 : channel]) / std[std.length == 1 ? 0 : channel];
  }

  @Override
  public String toString() {
    return Arrays.toString(mean) + Arrays.toString(std);
  }
}
