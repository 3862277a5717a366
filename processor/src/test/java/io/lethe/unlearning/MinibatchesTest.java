package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.LoadedModel;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

class MinibatchesTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=40&subjects=4&side=10&classes=4&seed=3");
  private static final LoadedModel MODEL =
      LoadedModel.create(BlockRecipe.mlp(DATA.sampleShape(), 4), 1);
  private static final int[] SAMPLES = IntStream.range(0, 11).map(i -> 20 - i).toArray();

  @AfterAll
  static void close() {
    MODEL.close();
  }

  /** The dataset, telling what is asked of it before it answers. */
  private static SampleDataset watched(Consumer<int[]> asked) {
    return (SampleDataset)
        Proxy.newProxyInstance(
            SampleDataset.class.getClassLoader(),
            new Class<?>[] {SampleDataset.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("batch")) {
                asked.accept((int[]) arguments[1]);
              }
              try {
                return method.invoke(DATA, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static long[] labels(int from, int to) {
    return Arrays.stream(SAMPLES, from, to).mapToLong(DATA::label).toArray();
  }

  @Test
  void giveTheSamplesInTheirOrderAndSayWhere() {
    List<int[]> asked = new ArrayList<>();
    try (Minibatches minibatches = new Minibatches(MODEL, watched(asked::add), SAMPLES, true)) {
      for (int from = 0; from < SAMPLES.length; from += 4) {
        try (Minibatches.Minibatch minibatch = minibatches.take(from, 4)) {
          int to = Math.min(SAMPLES.length, from + 4);
          assertThat(minibatch.from()).isEqualTo(from);
          assertThat(minibatch.size()).isEqualTo(to - from);
          assertThat(minibatch.xy().get(1).toLongArray()).containsExactly(labels(from, to));
        }
      }
    }
    assertThat(asked).hasSize(3); // none twice
  }

  @Test
  void theNextIsReadBeforeItIsAskedFor() throws InterruptedException {
    CountDownLatch second = new CountDownLatch(2);
    try (Minibatches minibatches =
            new Minibatches(MODEL, watched(asked -> second.countDown()), SAMPLES, true);
        Minibatches.Minibatch first = minibatches.take(0, 4)) {
      assertThat(first.size()).isEqualTo(4);
      assertThat(second.await(1, TimeUnit.MINUTES)).isTrue();
    }
  }

  @Test
  void anotherSizeOrPositionThanWasExpectedIsReadAnew() {
    try (Minibatches minibatches = new Minibatches(MODEL, DATA, SAMPLES, true)) {
      minibatches.take(0, 4).close();
      try (Minibatches.Minibatch smaller = minibatches.take(4, 2)) {
        assertThat(smaller.xy().get(1).toLongArray()).containsExactly(labels(4, 6));
      }
      try (Minibatches.Minibatch again = minibatches.take(4, 1)) {
        assertThat(again.xy().get(1).toLongArray()).containsExactly(labels(4, 5));
      }
    }
  }

  @Test
  void whatCannotBeReadIsThrownAtItsTurn() {
    SampleDataset damaged =
        watched(
            asked -> {
              if (asked[0] == SAMPLES[4]) {
                throw new IllegalStateException("damaged");
              }
            });
    try (Minibatches minibatches = new Minibatches(MODEL, damaged, SAMPLES, true)) {
      minibatches.take(0, 4).close();

      assertThatThrownBy(() -> minibatches.take(4, 4)).hasMessage("damaged");
    }
  }
}
