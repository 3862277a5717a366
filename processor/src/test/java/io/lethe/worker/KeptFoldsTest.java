package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.JobKind;
import io.lethe.events.JobStage;
import io.lethe.events.UnlearningJob;
import io.lethe.heldout.HeldOutRows;
import io.lethe.unlearning.Progress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is kept of folds for a job that is run again, which work takes it, and when it goes. */
class KeptFoldsTest {
  @TempDir Path directory;
  private WorkerCase worker;

  @BeforeEach
  void start() {
    worker = new WorkerCase(directory);
  }

  private UnlearningJob.Builder targetsJob() {
    return worker.job(JobKind.ANCHOR, List.of()).setFisher(false).setHeldout(true);
  }

  private List<Path> kept() throws IOException {
    try (var kept = Files.list(directory.resolve("artifacts").resolve("kept"))) {
      return kept.toList();
    }
  }

  @Test
  void foldsOfAnotherRecipeAreTrainedAgainAndNoneStays() throws IOException {
    // Given: all folds of a job that a person has mended since
    UnlearningJob before = targetsJob().build();
    worker.runner.run(before, Progress.NONE);
    String slower =
        worker.recipe.toJson().toString().replace("\"learningRate\":0.01", "\"learningRate\":0.02");
    UnlearningJob job = UnlearningJob.newBuilder(before).setRecipe(slower).build();
    List<JobStage> seen = new ArrayList<>();

    // When
    JobResult result = worker.runner.run(job, (stage, done, total) -> seen.add(stage));

    // Then
    assertThat(slower).isNotEqualTo(before.getRecipe().orElseThrow());
    assertThat(seen).contains(JobStage.TRAIN);
    HeldOutRows expected =
        new WorkerCase(Files.createDirectory(directory.resolve("fresh")))
            .runner
            .run(UnlearningJob.newBuilder(job).setModelId("n").build(), Progress.NONE)
            .targets()
            .orElseThrow();
    assertThat(result.targets().orElseThrow().logits()).containsExactly(expected.logits());
    assertThat(kept()).hasSize(4);
    result.reported().run();
    assertThat(kept()).isEmpty();
  }

  @Test
  void foldsOfADatasetOfTheSameIdsAndOtherValuesAreTrainedAgain() {
    // Given
    UnlearningJob job = targetsJob().build();
    worker.runner.run(job, Progress.NONE);
    String other = WorkerCase.DATASET.replace("seed=5", "seed=6");
    List<JobStage> seen = new ArrayList<>();

    // When
    worker.runner.run(
        UnlearningJob.newBuilder(job).setDatasetUri(other).build(),
        (stage, done, total) -> seen.add(stage));

    // Then
    assertThat(seen).contains(JobStage.TRAIN);
  }

  @Test
  void nothingStaysOfAJobThatCannotSucceed() throws IOException {
    // Given
    UnlearningJob job = targetsJob().build();
    worker.runner.run(job, Progress.NONE);
    assertThat(kept()).hasSize(2);

    // When
    JobResult failed =
        worker.runner.run(
            UnlearningJob.newBuilder(job).setRecipe("{\"epochs\": 0}").build(), Progress.NONE);

    // Then: once the broker has its outcome
    assertThat(failed.outcome().getRetryable()).isFalse();
    assertThat(kept()).hasSize(2);
    failed.reported().run();
    assertThat(kept()).isEmpty();
  }

  @Test
  void nothingStaysOfAJobThatIsNoLongerInFlight() throws IOException {
    // Given: its model has got another anchor
    UnlearningJob job = targetsJob().build();
    worker.runner.run(job, Progress.NONE);
    worker.obsolete = true;

    // When
    worker.runner.run(job, Progress.NONE).reported().run();

    // Then
    assertThat(kept()).isEmpty();
  }
}
