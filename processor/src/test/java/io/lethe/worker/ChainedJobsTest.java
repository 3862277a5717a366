package io.lethe.worker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.lethe.artifact.Artifact;
import io.lethe.events.Evaluation;
import io.lethe.events.JobKind;
import io.lethe.events.ReleaseMode;
import io.lethe.events.UnlearningJob;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.fisher.FisherSums;
import io.lethe.heldout.HeldOutRows;
import io.lethe.model.LoadedModel;
import io.lethe.unlearning.Evaluator;
import io.lethe.unlearning.FisherComputer;
import io.lethe.unlearning.Gate;
import io.lethe.unlearning.Progress;
import java.net.URI;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a job that starts from the last release still knows of what was erased before. */
class ChainedJobsTest {
  @TempDir Path directory;
  private WorkerCase worker;

  @BeforeEach
  void start() {
    worker = new WorkerCase(directory);
  }

  @Test
  void earlierErasuresAreMeasuredAsLongAsTheirDataIsThere() {
    // Given: one of three has a target, by which it is never right
    erase(0, 1, 2);
    float[] never = new float[3];
    never[worker.dataset.label(1)] = -9;
    worker.targets = new HeldOutRows(3, worker.samples(1, 2), never);

    // When
    JobResult result = worker.runner.run(job(worker.samples(3, 6)).build(), Progress.NONE);

    // Then: by the release and by the anchor
    Evaluation before = result.outcome().getBefore().orElseThrow();
    Evaluation after = result.outcome().getAfter().orElseThrow();
    assertThat(after.getForget().getSamples()).isEqualTo(3);
    try (LoadedModel anchor = worker.load(worker.anchor);
        LoadedModel release = worker.load(released(result))) {
      int[] earlier = {0, 1, 2};
      assertThat(before.getEarlier())
          .contains(Evaluator.score(anchor, worker.dataset, earlier).metrics());
      assertThat(after.getEarlier())
          .contains(Evaluator.score(release, worker.dataset, earlier).metrics());
      assertThat(after.getEarlierMembershipAuc()).isPresent();
      double right = Evaluator.score(release, worker.dataset, new int[] {1}).accuracy();
      assertThat(result.outcome().getChecks())
          .filteredOn(check -> check.getName().equals(Gate.EARLIER_GAP))
          .singleElement()
          .satisfies(check -> assertThat(check.getValue()).isEqualTo(right));
    }
  }

  @Test
  void neitherWhatTheSourceHasDeletedNorAForgottenClassIsMeasured() {
    // Given
    int gone = worker.dataset.label(1);
    int[] others =
        IntStream.range(0, 80).filter(i -> worker.dataset.label(i) != gone).limit(7).toArray();
    erase(
        IntStream.range(0, 80)
            .filter(i -> worker.dataset.label(i) == gone || i <= others[3])
            .toArray());
    worker.erasedClasses = List.of(Integer.toString(gone));
    worker.excluded = List.of(worker.dataset.sampleId(others[0]));
    List<String> batch =
        IntStream.range(4, 7).mapToObj(i -> worker.dataset.sampleId(others[i])).toList();

    // When
    JobResult result = worker.runner.run(job(batch).build(), Progress.NONE);

    // Then
    try (LoadedModel release = worker.load(released(result))) {
      assertThat(result.outcome().getAfter().orElseThrow().getEarlier())
          .contains(
              Evaluator.score(release, worker.dataset, Arrays.copyOfRange(others, 1, 4)).metrics());
    }
  }

  @Test
  void assdDampensTheMarginalShareHoweverMuchOfTheRestIsGone() {
    // Given: 20 of 80 were erased, of whose data half is gone
    erase(IntStream.range(0, 20).toArray());
    worker.excluded = worker.samples(0, 10);
    UnlearningJob job =
        job(worker.samples(20, 24))
            .setPolicy(
                worker.policy().setMode(ReleaseMode.CHAINED).setLadder(List.of("ssd")).build())
            .build();

    // When
    JobResult result = worker.runner.run(job, Progress.NONE);

    // Then: what 24 of 80 take, less what 20 took (Schoepf et al. 2024)
    double share = (Math.log(1 + 100 * 24 / 80.0) - Math.log(1 + 100 * 20 / 80.0)) / 100;
    long weights = worker.sums.retained().size();
    assertThat(result.outcome().getSelectedFraction().orElseThrow())
        .isCloseTo(share, within(1.0 / weights));
  }

  private UnlearningJob.Builder job(List<String> samples) {
    Artifact parent = worker.model(2);
    return worker
        .job(JobKind.UNLEARN, samples)
        .setErasedSamples(worker.erased.size())
        .setParentUri(parent.uri().toString())
        .setParentSha256(parent.sha256())
        .setPolicy(worker.policy().setMode(ReleaseMode.CHAINED).build());
  }

  /** The sums as an earlier job leaves them. */
  private void erase(int... samples) {
    worker.erased = Arrays.stream(samples).mapToObj(worker.dataset::sampleId).toList();
    try (LoadedModel model = worker.load(worker.anchor)) {
      FisherDiagonal erased = new FisherComputer(model).sum(worker.dataset, samples, Progress.NONE);
      worker.sums = new FisherSums(worker.sums.retained().minus(erased), erased);
    }
  }

  private static Artifact released(JobResult result) {
    return new Artifact(
        URI.create(result.outcome().getArtifactUri().orElseThrow()),
        result.outcome().getArtifactSha256().orElseThrow(),
        0);
  }
}
