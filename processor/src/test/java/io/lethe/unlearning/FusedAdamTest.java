package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.model.GradientMode;
import io.lethe.model.NativeLibrary;
import java.util.List;
import org.junit.jupiter.api.Test;

class FusedAdamTest {
  private static final double RATE = 0.1;

  @Test
  void movesAsTheAlgorithmSays() {
    double[] w = {1, -2, 0.5};
    double[][] gradients = {{0.3, -1, 0}, {-0.2, 4, 1e-3}, {0.1, 0.1, 0.1}};
    NativeLibrary.load();
    try (NDManager manager = NDManager.newBaseManager()) {
      NDArray array = manager.create(w.clone()).duplicate();
      array.setName("mine");
      try (FusedAdam adam = new FusedAdam(manager, List.of(array));
          GradientMode off = GradientMode.off()) {
        for (double[] gradient : gradients) {
          adam.apply(new NDList(manager.create(gradient)), RATE);
        }
      }

      double[] moved = array.toDoubleArray();
      for (int i = 0; i < w.length; i++) {
        assertThat(moved[i]).isEqualTo(byHand(w[i], gradients, i), within(1e-7));
      }
      assertThat(array.getName()).isEqualTo("mine");
    }
  }

  /** Kingma and Ba, algorithm 1. */
  private static double byHand(double w, double[][] gradients, int i) {
    double m = 0;
    double v = 0;
    for (int t = 1; t <= gradients.length; t++) {
      double g = gradients[t - 1][i];
      m = 0.9 * m + 0.1 * g;
      v = 0.999 * v + 0.001 * g * g;
      double mean = m / (1 - Math.pow(0.9, t));
      double variance = v / (1 - Math.pow(0.999, t));
      w -= RATE * mean / (Math.sqrt(variance) + 1e-8);
    }
    return w;
  }

  @Test
  void theOrderOfAnArraysMemoryDoesNotMatter() {
    NativeLibrary.load();
    try (NDManager manager = NDManager.newBaseManager();
        GradientMode off = GradientMode.off()) {
      NDArray plain = manager.arange(6f).reshape(2, 3).duplicate();
      NDArray turned = manager.arange(6f).reshape(2, 3).transpose().duplicate().transpose();
      NDArray gradient = manager.arange(6f).reshape(2, 3).sub(2.5f).square().duplicate();
      NDArray turnedGradient = gradient.transpose().duplicate().transpose();
      try (FusedAdam one = new FusedAdam(manager, List.of(plain));
          FusedAdam other = new FusedAdam(manager, List.of(turned))) {
        for (int step = 0; step < 3; step++) {
          one.apply(new NDList(gradient), RATE);
          other.apply(new NDList(turnedGradient), RATE);
        }
      }

      assertThat(turned.getShape()).isEqualTo(new Shape(2, 3));
      assertThat(turned.toFloatArray()).containsExactly(plain.toFloatArray());
      assertThat(plain.toFloatArray()[0]).isNotZero();
    }
  }
}
