package io.lethe.unlearning.method;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.CrossEntropy;
import io.lethe.unlearning.Sampling;
import io.lethe.unlearning.UnlearningTask;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.DoubleStream;
import org.junit.jupiter.api.Test;

class UnsirTest {
  /** For a few hundred samples: the paper's noise would outnumber them. */
  static final String SMALL =
      "{\"noiseBatch\": 32, \"noiseRepeats\": 4, \"batch\": 32, \"impairRate\": 0.01,"
          + " \"repairEpochs\": 16, \"repairRate\": 0.005}";

  private static final Unsir.Parameters PARAMETERS =
      new Unsir.Parameters(32, 40, 0.1, 0.1, 4, 1000, 32, 1, 0.01, 16, 0.005);
  private static final int CLASS = 1;

  @Test
  void forgetsAClassWithoutReadingItsSamples() {
    try (LoadedModel model = Cases.trained()) {
      UnlearningTask task = on(forbidding(), Cases.wholeClass(model, CLASS));

      new Unsir(PARAMETERS).apply(task);

      assertThat(Cases.accuracy(model, task.forget())).isLessThanOrEqualTo(0.01);
      assertThat(Cases.testAccuracy(model, CLASS)).isLessThanOrEqualTo(0.01);
    }
  }

  @Test
  void theRepairGivesBackWhatTheNoiseTookFromOtherClasses() {
    try (LoadedModel model = Cases.trained()) {
      NDList anchor = model.copyWeights(model.manager());
      UnlearningTask task = Cases.wholeClass(model, CLASS);
      new Unsir(new Unsir.Parameters(32, 40, 0.1, 0.1, 4, 1000, 32, 1, 0.01, 0, 0.005)).apply(task);
      double impaired = Cases.loss(model, task.repairPool());
      model.assignWeights(anchor);

      new Unsir(PARAMETERS).apply(task);

      assertThat(Cases.loss(model, task.repairPool())).isLessThan(0.5 * impaired);
    }
  }

  @Test
  void givesTheSameWeightsWhenTheSamplesAreGone() {
    try (LoadedModel model = Cases.trained()) {
      NDList anchor = model.copyWeights(model.manager());
      UnlearningTask there = Cases.wholeClass(model, CLASS);
      new Unsir(PARAMETERS).apply(there);
      var with = Cases.weights(model);
      model.assignWeights(anchor);

      new Unsir(PARAMETERS).apply(there.with(new int[0], there.repairPool()));

      assertThat(Cases.weights(model)).usingRecursiveComparison().isEqualTo(with);
    }
  }

  @Test
  void theNoiseRaisesTheErrorOnItsClass() {
    try (LoadedModel model = Cases.trained();
        NDManager scope = model.manager().newSubManager()) {
      UnlearningTask task = Cases.wholeClass(model, CLASS);
      Unsir method = new Unsir(PARAMETERS);
      Unsir asDrawn =
          new Unsir(new Unsir.Parameters(32, 0, 0.1, 0.1, 4, 1000, 32, 1, 0.01, 16, 0.005));

      NDList noise = method.noise(task, scope);

      assertThat(noise.get(1).toLongArray()).hasSize(32).containsOnly(CLASS);
      assertThat(error(model, noise)).isGreaterThan(error(model, asDrawn.noise(task, scope)) + 1);
    }
  }

  @Test
  void theNoiseIsTheSmallerTheMoreItsNormCosts() {
    try (LoadedModel model = Cases.trained();
        NDManager scope = model.manager().newSubManager()) {
      UnlearningTask task = Cases.wholeClass(model, CLASS);
      double[] norms =
          DoubleStream.of(0, 0.1, 10)
              .map(
                  penalty ->
                      new Unsir(
                              new Unsir.Parameters(
                                  32, 40, 0.1, penalty, 4, 1000, 32, 1, 0.01, 16, 0.005))
                          .noise(task, scope)
                          .get(0)
                          .square()
                          .mean()
                          .getFloat())
              .toArray();

      assertThat(norms[1]).isLessThan(0.9 * norms[0]);
      assertThat(norms[2]).isLessThan(0.9 * norms[1]);
    }
  }

  @Test
  void needsWholeClasses() {
    try (LoadedModel model = Cases.untrained()) {
      assertThat(new Unsir(PARAMETERS).missing(Cases.records(model)))
          .contains("whole classes to forget");
    }
  }

  private static double error(LoadedModel model, NDList noise) {
    return CrossEntropy.perSample(model.logits(noise.get(0)), noise.get(1)).mean().getFloat();
  }

  /** The dataset, in which reading a sample of the class is an error. */
  private static SampleDataset forbidding() {
    return (SampleDataset)
        Proxy.newProxyInstance(
            SampleDataset.class.getClassLoader(),
            new Class<?>[] {SampleDataset.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("batch")
                  && Arrays.stream((int[]) arguments[1])
                      .anyMatch(i -> Cases.DATA.label(i) == CLASS)) {
                throw new AssertionError("a forget sample was read");
              }
              try {
                return method.invoke(Cases.DATA, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static UnlearningTask on(SampleDataset dataset, UnlearningTask task) {
    return new UnlearningTask(
        task.model(),
        dataset,
        task.forget(),
        Set.of(CLASS),
        Sampling.complement(400, task.forget()),
        task.unseen(),
        task.retainSums(),
        task.erasedSums(),
        task.targets(),
        task.retraining(),
        task.policy(),
        task.seed(),
        task.progress());
  }
}
