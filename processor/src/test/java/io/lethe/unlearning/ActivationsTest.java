package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.GradientMode;
import io.lethe.model.LoadedModel;
import java.lang.reflect.Proxy;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ActivationsTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=40&subjects=4&side=8&classes=4");
  private static final int[] SOME = {7, 3, 3, 39};

  @Test
  void logitsAreTheModelsWhetherKeptOrNot() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      assertThat(activations.keep(DATA, IntStream.range(0, 20).toArray())).isTrue();
      assertThat(activations.keep(DATA, new int[] {39, 7})).isTrue(); // one new, one there

      assertSame(logits(activations, SOME), CrossFit.logits(model, DATA, SOME));
      int[] notKept = {3, 30};
      assertSame(logits(activations, notKept), CrossFit.logits(model, DATA, notKept));
    }
  }

  @Test
  void whatIsAboveTheBorderMayChange() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      activations.keep(DATA, SOME);
      float[] before = logits(activations, SOME);

      scale(model, "dense.weight");

      assertSame(logits(activations, SOME), CrossFit.logits(model, DATA, SOME));
      assertThat(logits(activations, SOME)).isNotEqualTo(before);
    }
  }

  @Test
  void keepSeesThatALayerBelowHasChanged() {
    for (String name : new String[] {"conv1.weight", "norm1.runningMean"}) {
      try (LoadedModel model = model();
          Activations activations = new Activations(model)) {
        activations.keep(DATA, SOME);
        scale(model, name);

        activations.keep(DATA, SOME);

        assertSame(logits(activations, SOME), CrossFit.logits(model, DATA, SOME));
      }
    }
  }

  @Test
  void anotherBorderForgetsWhatWasKeptAtTheFirst() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      activations.keep(DATA, SOME);

      assertThat(activations.above(1)).isFalse();
      assertThat(activations.keep(DATA, SOME)).isFalse();
      assertSame(logits(activations, SOME), CrossFit.logits(model, DATA, SOME));

      assertThat(activations.above(0.05)).isTrue();
      assertThat(activations.keep(DATA, SOME)).isTrue();
      assertSame(logits(activations, SOME), CrossFit.logits(model, DATA, SOME));
    }
  }

  @Test
  void whoAsksForMoreThanFitsMayTrainAllLayers() {
    try (LoadedModel model = model();
        Activations activations = new Activations(model, 1_000)) {
      assertThat(activations.keep(DATA, new int[] {3})).isTrue();
      assertThat(activations.keep(DATA, IntStream.range(0, 40).toArray())).isFalse();

      scale(model, "conv1.weight");

      int[] once = {3};
      assertSame(logits(activations, once), CrossFit.logits(model, DATA, once));
    }
  }

  @Test
  void aSecondMeasurementReadsNoSampleAgain() {
    AtomicInteger read = new AtomicInteger();
    SampleDataset counting =
        (SampleDataset)
            Proxy.newProxyInstance(
                ActivationsTest.class.getClassLoader(),
                new Class<?>[] {SampleDataset.class},
                (proxy, method, arguments) -> {
                  if (method.getName().equals("batch")) {
                    read.addAndGet(((int[]) arguments[1]).length);
                  }
                  return method.invoke(DATA, arguments);
                });
    Evaluator evaluator =
        new Evaluator(counting, SOME, new int[] {1, 2}, counting, new int[] {20, 21, 22});
    try (LoadedModel model = model();
        Activations activations = new Activations(model)) {
      Evaluator.Measured first =
          evaluator.measure(model, activations, Optional.empty(), Progress.NONE);
      scale(model, "dense.weight");
      read.set(0);

      Evaluator.Measured second =
          evaluator.measure(model, activations, Optional.empty(), Progress.NONE);

      assertThat(read.get()).isZero();
      Evaluator.Measured whole = evaluator.measure(model, Optional.empty(), Progress.NONE);
      assertThat(second.forget().losses()).containsExactly(whole.forget().losses(), within(1e-4));
      assertThat(second.forget().losses()).isNotEqualTo(first.forget().losses());
    }
  }

  private static void scale(LoadedModel model, String name) {
    try (GradientMode off = GradientMode.off()) {
      java.util.stream.Stream.concat(model.weights().stream(), model.buffers().stream())
          .filter(weight -> weight.name().equals(name))
          .findAny()
          .orElseThrow(() -> new AssertionError(model.buffers().toString()))
          .array()
          .muli(1.5f)
          .addi(0.25f);
    }
  }

  private static float[] logits(Activations activations, int[] samples) {
    try (GradientMode off = GradientMode.off();
        NDManager scope = NDManager.newBaseManager()) {
      NDArray logits = activations.logits(DATA, samples, scope);
      return logits.toFloatArray();
    }
  }

  private static void assertSame(float[] actual, float[] expected) {
    assertThat(actual).hasSameSizeAs(expected);
    for (int i = 0; i < expected.length; i++) {
      assertThat(actual[i]).isEqualTo(expected[i], within(1e-4f));
    }
  }

  private static LoadedModel model() {
    return LoadedModel.create(BlockRecipe.cnn(new Shape(1, 8, 8), 4, 6, 64), 1);
  }
}
