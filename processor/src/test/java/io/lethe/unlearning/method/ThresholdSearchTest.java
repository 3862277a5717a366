package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Progress;
import io.lethe.unlearning.SampleSet;
import io.lethe.unlearning.UnlearningMethod.Trial;
import io.lethe.unlearning.UnlearningTask;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.DoubleConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/**
 * Where the search ends, on a network that treats all classes alike but for the bias of class 1: of
 * its samples as much is known as of unseen ones of class 2 exactly where that bias is zero.
 */
class ThresholdSearchTest {
  private static final OneHotSamples SAMPLES = new OneHotSamples(4, 120, 1, 30);
  private static final double KNOWN = 0.3;
  private static final double BALANCED = 0.06;

  @Test
  void theShareIsTheOneAtWhichForgetSamplesAreKnownAsUnseenOnes() {
    try (LoadedModel model = SAMPLES.unitPerClass(2, 0)) {
      bias(model, 1, KNOWN);

      ThresholdSearch.Found found = search(model, Set.of(), share -> forget(model, share));

      assertThat(found.share()).isEqualTo(BALANCED, within(0.001));
      assertThat(found.trials()).hasSize(14);
      Trial first = found.trials().get(0);
      assertThat(first.share()).isEqualTo(Math.sqrt(0.001 * 0.5), within(1e-12));
      assertThat(first.forgetGap()).isNegative();
      assertThat(found.trials())
          .filteredOn(Trial::chosen)
          .extracting(Trial::share)
          .containsExactly(found.share());
      assertThat(bias(model)[1]).isEqualTo((float) KNOWN); // as it was found
    }
  }

  @Test
  void theShareEndsBelowTheOneThatCostsRetainedSamples() {
    // At a third of the share at which the forget samples would be unknown
    double border = BALANCED / 3;
    try (LoadedModel model = SAMPLES.unitPerClass(2, 0)) {
      bias(model, 1, KNOWN);

      ThresholdSearch.Found found =
          search(model, Set.of(), share -> forgetUpTo(border, model, share));

      assertThat(found.share()).isBetween(0.98 * border, border);
    }
  }

  @Test
  void ofAClassAsMuchIsForgottenAsRetainedSamplesBear() {
    // Far beyond the share at which the class is known as little as the unseen samples
    double border = 3 * BALANCED;
    try (LoadedModel model = SAMPLES.unitPerClass(2, 0)) {
      bias(model, 1, KNOWN);

      ThresholdSearch.Found found =
          search(model, Set.of(1), share -> forgetUpTo(border, model, share));

      assertThat(found.share()).isBetween(0.98 * border, border);
    }
  }

  private static ThresholdSearch.Found search(
      LoadedModel model, Set<Integer> classes, DoubleConsumer change) {
    FisherDiagonal unused = new FisherDiagonal(List.of(), 0);
    UnlearningTask task =
        new UnlearningTask(
            model,
            SAMPLES,
            of(1),
            classes,
            IntStream.concat(IntStream.of(of(0)), IntStream.of(of(3))).toArray(),
            Optional.of(new SampleSet(SAMPLES, of(2))),
            unused,
            unused,
            Optional.empty(),
            Optional.empty(),
            Cases.policy(),
            1,
            Progress.NONE);
    return new ThresholdSearch(task, new ThresholdSearch.Bounds(14, 0.02, 0.001, 0.5)).run(change);
  }

  private static int[] of(int label) {
    return IntStream.range(0, SAMPLES.size()).filter(i -> SAMPLES.label(i) == label).toArray();
  }

  private static void forget(LoadedModel model, double share) {
    bias(model, 1, KNOWN * (1 - share / BALANCED));
  }

  /** And beyond the border the model says class 3 of everything. */
  private static void forgetUpTo(double border, LoadedModel model, double share) {
    forget(model, share);
    if (share > border) {
      bias(model, 3, 20);
    }
  }

  private static void bias(LoadedModel model, int label, double value) {
    float[] values = bias(model);
    values[label] = (float) value;
    NDArray array = model.weights().get(outputBias(model)).array();
    try (NDArray changed = model.manager().create(values)) {
      changed.copyTo(array);
    }
  }

  private static float[] bias(LoadedModel model) {
    return model.weights().get(outputBias(model)).array().toFloatArray();
  }

  private static int outputBias(LoadedModel model) {
    return model.weights().stream().map(LoadedModel.Weight::name).toList().indexOf("output.bias");
  }
}
