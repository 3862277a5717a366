package io.lethe.unlearning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.lethe.dataset.Datasets;
import io.lethe.dataset.SampleDataset;
import io.lethe.model.BlockRecipe;
import io.lethe.model.ComputeThreads;
import io.lethe.model.LoadedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CrossFitTest {
  private static final SampleDataset DATA =
      Datasets.open("synthetic:digits?samples=120&subjects=12&seed=3#train");
  private static final TrainingRecipe RECIPE =
      new TrainingRecipe(2, 16, 0.005, TrainingRecipe.Schedule.CONSTANT, 0, 1);

  private final CrossFit crossFit = new CrossFit(CrossFitTest::untrained, RECIPE, 3);
  private final List<int[]> split =
      crossFit.split(
          IntStream.range(0, DATA.size()).toArray(), i -> DATA.subject(i).orElseThrow(), 1);

  @Test
  void aFoldIsTheSameWhicheverOthersAreTrainedBesideIt() {
    Map<Integer, float[]> together = new TreeMap<>();
    crossFit.folds(DATA, split, new int[] {0, 1, 2}, Progress.NONE, together::put);

    Map<Integer, float[]> alone = new TreeMap<>();
    crossFit.folds(DATA, split, new int[] {1}, Progress.NONE, alone::put);

    assertThat(together).containsOnlyKeys(0, 1, 2);
    assertThat(alone).containsOnlyKeys(1);
    assertThat(alone.get(1)).containsExactly(together.get(1));
  }

  @Test
  void progressRisesToTheEndOfAllFolds() {
    List<Long> done = new ArrayList<>();
    List<Long> totals = new ArrayList<>();

    crossFit.folds(
        DATA,
        split,
        new int[] {0, 1, 2},
        (stage, step, steps) -> {
          done.add(step);
          totals.add(steps);
        },
        (fold, logits) -> {});

    assertThat(done).isSorted().last().isEqualTo(30L); // 3 folds, 2 epochs of 5 minibatches
    assertThat(totals).containsOnly(30L);
  }

  @Test
  void whatEndsOneFoldEndsAllBeforeTheCallReturns() throws InterruptedException {
    AtomicBoolean returned = new AtomicBoolean();
    AtomicBoolean late = new AtomicBoolean();
    int threads = ComputeThreads.get();

    assertThatThrownBy(
            () ->
                crossFit.folds(
                    DATA,
                    split,
                    new int[] {0, 1, 2},
                    (stage, step, steps) -> {
                      late.compareAndSet(false, returned.get());
                      if (step == 4) {
                        throw new UnlearningException("enough");
                      }
                    },
                    (fold, logits) -> {}))
        .isInstanceOf(UnlearningException.class)
        .hasMessage("enough");
    returned.set(true);

    assertThat(ComputeThreads.get()).isEqualTo(threads);
    for (Thread thread : Thread.getAllStackTraces().keySet()) {
      if (thread.getName().equals("lethe-fold")) {
        thread.join(10_000); // its work is done, it may be on its way out
        assertThat(thread.isAlive()).isFalse();
      }
    }
    assertThat(late).isFalse();
  }

  private static LoadedModel untrained() {
    return LoadedModel.create(BlockRecipe.cnn(DATA.sampleShape(), DATA.classes(), 4, 8), 1);
  }
}
