package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.batching.BatchingStores;
import io.lethe.events.DeepCleanParameters;
import io.lethe.events.HeldOutChunk;
import io.lethe.events.JobKind;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelRegistered;
import io.lethe.events.ReleaseMode;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.heldout.HeldOutChunks;
import io.lethe.heldout.HeldOutRows;
import io.lethe.state.ForgetSet;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an anchor is ready with, and what becomes of it. */
class AnchorRulesTest {
  private static final Duration YEAR = Duration.ofDays(365);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = new TopologyFixture(directory);
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private ModelRegistered.Builder withRecipe(UnlearningPolicy policy) {
    return lethe.registration("m", "d", policy, SHA).setRecipe("{}");
  }

  private UnlearningJob anchorJob(UnlearningPolicy policy) {
    lethe.register(withRecipe(policy).build());
    return lethe.onlyJob();
  }

  private void anchored(UnlearningPolicy policy, String... samples) {
    UnlearningJob job = anchorJob(policy);
    lethe.snapshot(job, diagonal(100, 10f, 20f, 30f));
    lethe.targets(job, samples);
    lethe.outcome(job, Verdict.RELEASE);
  }

  @Test
  void anAnchorIsReadyWhenItsSumsAndItsTargetsAreWhole() {
    // Given
    UnlearningJob job = anchorJob(policy(1, YEAR));
    assertThat(job.getHeldout()).isTrue();
    assertThat(job.getRecipe()).contains("{}");
    assertThat(job.getPolicy().getFolds()).isEqualTo(5);
    lethe.outcome(job, Verdict.RELEASE);
    lethe.snapshot(job, diagonal(100, 10f, 20f, 30f));
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ANCHORING);

    // When
    lethe.targets(job, "s1", "s2");

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
    assertThat(lethe.model("m").getTargetsOf()).isEqualTo("recipe");
  }

  @Test
  void aModelWithoutRecipeOrAPolicyWithoutFoldsTakesNoTargets() {
    // When
    lethe.register("m", "d", policy(1, YEAR));
    lethe.register(
        lethe
            .registration(
                "n", "d", UnlearningPolicy.newBuilder(policy(1, YEAR)).setFolds(0).build(), SHA)
            .setRecipe("{}")
            .build());

    // Then
    assertThat(lethe.jobs()).hasSize(2).noneMatch(UnlearningJob::getHeldout);
  }

  @Test
  void aRepairTowardTargetsTakesThemAsWell() {
    // Given a ladder of DeepClean alone, which asks for them by its record, by its text, or not
    UnlearningPolicy alone =
        UnlearningPolicy.newBuilder(policy(1, YEAR)).setLadder(List.of("deepclean")).build();
    UnlearningPolicy byRecord =
        UnlearningPolicy.newBuilder(alone)
            .setDeepclean(
                DeepCleanParameters.newBuilder(alone.getDeepclean()).setTowardTargets(true).build())
            .build();
    UnlearningPolicy byText =
        UnlearningPolicy.newBuilder(alone)
            .setMethodParameters(Map.of("deepclean", "{\"towardTargets\": true}"))
            .build();

    // When
    for (UnlearningPolicy policy : List.of(alone, byRecord, byText)) {
      String modelId = "m" + List.of(alone, byRecord, byText).indexOf(policy);
      lethe.register(lethe.registration(modelId, "d", policy, SHA).setRecipe("{}").build());
    }

    // Then
    assertThat(lethe.jobs())
        .extracting(UnlearningJob::getHeldout)
        .containsExactly(false, true, true);
  }

  @Test
  void theWorkerReadsTheTargetsOfAllThatItForgets() {
    // Given
    anchored(policy(1, YEAR), "s1", "s2", "s3");
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.request("alice");
    lethe.unlearned(lethe.onlyJob());

    // When
    lethe.request("bob");

    // Then
    UnlearningJob job = lethe.onlyJob();
    ForgetSet forget = lethe.forgetSet(job);
    assertThat(job.getErasedSamples()).isEqualTo(1);
    assertThat(forget.getErased()).containsExactly("s1");
    assertThat(forget.getTargetIds()).containsExactly("s1", "s2");
    assertThat(HeldOutRows.floats(forget.getLogits())).containsExactly(1, 0, 2, 0);
  }

  @Test
  void theTopicKeepsNoTargetThatTheStoresHave() {
    // When
    anchored(policy(1, YEAR), "s1", "s2");

    // Then: one tombstone for each record, the commit marker's too
    assertThat(lethe.read(lethe.topics.heldoutTargets()))
        .hasSize(2)
        .allMatch(entry -> entry.value == null)
        .extracting(entry -> entry.key.getPart())
        .containsExactly(0, -1);
  }

  @Test
  void targetsOfWhichARecordIsMissingAreNotServed() {
    // Given
    UnlearningJob job = anchorJob(policy(1, YEAR));
    lethe.snapshot(job, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(job, Verdict.RELEASE);
    List<String> ids =
        IntStream.range(0, 9).mapToObj(i -> Integer.toString(i).repeat(120_000)).toList();
    List<HeldOutChunk> chunks = new ArrayList<>();
    HeldOutChunk commit =
        HeldOutChunks.split(
            new HeldOutChunks.Of(job.getJobId(), "m", SHA),
            new HeldOutRows(2, ids, new float[18]),
            chunks::add);
    assertThat(chunks).hasSize(3);

    // When
    lethe.heldOut(chunks.get(0));
    lethe.heldOut(chunks.get(2));
    lethe.heldOut(commit);

    // Then
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ANCHORING);
    chunks.forEach(lethe::heldOut);
    lethe.heldOut(commit);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
  }

  @Test
  void ownPredictionsTakeThePlaceOfThoseOfTheRecipe() {
    // Given
    anchored(policy(1, YEAR), "s1", "s2");

    // When
    lethe.register(
        withRecipe(policy(1, YEAR))
            .setHeldoutUri("file:/p.npz")
            .setHeldoutSha256("f".repeat(64))
            .build());

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.ANCHOR);
    assertThat(job.getFisher()).isFalse();
    assertThat(job.getHeldoutSha256()).contains("f".repeat(64));
    lethe.targets(job, "s2");
    lethe.outcome(job, Verdict.RELEASE);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
    assertThat(lethe.model("m").getTargetsOf()).isEqualTo("f".repeat(64));
    lethe.lineage("alice", "d", "s1", "s2");
    lethe.request("alice");
    assertThat(lethe.forgetSet(lethe.onlyJob()).getTargetIds()).containsExactly("s2");
  }

  @Test
  void predictionsOfModelsThatKnewWhatWasErasedAreNotTakenAfterARetraining() {
    // Given: own predictions, and a sample that is erased by training anew
    ModelRegistered.Builder own =
        withRecipe(policy(1, YEAR)).setHeldoutUri("file:/p.npz").setHeldoutSha256("f".repeat(64));
    lethe.register(own.build());
    UnlearningJob first = lethe.onlyJob();
    assertThat(first.getHeldoutUri()).contains("file:/p.npz");
    snapshot(first, "s1", "s2");
    retrained("c".repeat(64), "s1");

    // When
    UnlearningJob anchor = lethe.onlyJob();

    // Then: targets are cross-fitted, by models that are trained without what was erased
    assertThat(anchor.getHeldout()).isTrue();
    assertThat(anchor.getHeldoutUri()).isEmpty();
    assertThat(anchor.getHeldoutSha256()).isEmpty();
    snapshot(anchor, "s2");
    assertThat(lethe.model("m").getTargetsOf()).isEqualTo("recipe");

    // And: whatever else is registered with them, other predictions are
    lethe.register(own.setPolicy(policy(2, YEAR)).setHeldoutUri("file:/copy.npz").build());
    assertThat(lethe.jobs()).isEmpty();
    lethe.register(
        withRecipe(policy(1, YEAR))
            .setHeldoutUri("file:/q.npz")
            .setHeldoutSha256("e".repeat(64))
            .build());
    UnlearningJob others = lethe.onlyJob();
    assertThat(others.getHeldoutUri()).contains("file:/q.npz");
    lethe.targets(others, "s2");
    lethe.outcome(others, Verdict.RELEASE);
    retrained("d".repeat(64), "s2");
    snapshot(lethe.onlyJob(), "s3");
    lethe.register(own.build());
    assertThat(lethe.jobs()).isEmpty();
  }

  private void snapshot(UnlearningJob job, String... samples) {
    lethe.snapshot(job, diagonal(100, 10f, 20f, 30f));
    lethe.targets(job, samples);
    lethe.outcome(job, Verdict.RELEASE);
  }

  private void retrained(String sha256, String sample) {
    lethe.requestSamples("d", List.of(sample));
    lethe.unlearned(lethe.onlyJob());
    UnlearningJob due = lethe.jobs().stream().findFirst().orElse(null);
    if (due == null) { // else too much was erased for the policy
      lethe.modelCommand("m", ModelCommandKind.RETRAIN);
      due = lethe.onlyJob();
    }
    lethe.retrained(due, sha256);
  }

  @Test
  void predictionsThatComeWithAnotherArtifactAreTaken() {
    // Given: whoever registers an artifact says what goes with it, also what was erased from others
    ModelRegistered.Builder own =
        withRecipe(policy(1, YEAR)).setHeldoutUri("file:/p.npz").setHeldoutSha256("f".repeat(64));
    lethe.register(own.build());
    snapshot(lethe.onlyJob(), "s1", "s2");
    retrained("c".repeat(64), "s1");
    snapshot(lethe.onlyJob(), "s2");

    // When
    lethe.register(own.setArtifactSha256("d".repeat(64)).build());

    // Then
    assertThat(lethe.onlyJob().getHeldoutUri()).contains("file:/p.npz");
  }

  @Test
  void aNewAnchorLeavesNothingOfTheOldTargets() {
    // Given
    anchored(policy(1, YEAR), "s1", "s2");

    // When
    lethe.register("m", "d", policy(1, YEAR), "c".repeat(64));

    // Then
    assertThat(lethe.isEmpty(BatchingStores.HELDOUT_STORE)).isTrue();
  }

  @Test
  void chainedATargetIsDeletedWithItsSample() {
    // Given
    UnlearningPolicy chained =
        UnlearningPolicy.newBuilder(policy(1, YEAR)).setMode(ReleaseMode.CHAINED).build();
    anchored(chained, "s1", "s2");
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    lethe.request("alice");
    UnlearningJob first = lethe.onlyJob();
    assertThat(first.getParentUri()).isEmpty();
    lethe.unlearned(first);

    // When
    lethe.request("bob");

    // Then
    UnlearningJob second = lethe.onlyJob();
    assertThat(second.getParentUri()).contains("file:/models/next");
    assertThat(lethe.forgetSet(second).getTargetIds()).containsExactly("s2");
  }

  @Test
  void aListOfErasedSamplesThatFillsNoRecordStallsNothing() {
    // Given: 400 samples whose ids take 17 MiB are erased, in jobs of at most 8 MiB
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    String padding = "x".repeat(45_000);
    int erased = 0;
    for (int batch = 0; batch < 4; batch++) {
      int first = batch * 100;
      lethe.requestSamples(
          "d",
          IntStream.range(first, first + 100)
              .mapToObj(i -> "%03d%s".formatted(i, padding))
              .toList());
      UnlearningJob job = lethe.onlyJob();
      lethe.unlearned(job);
      erased += job.getSampleIds().size();
    }
    lethe.lineage("alice", "d", "s1");

    // When
    lethe.request("alice");

    // Then
    UnlearningJob job = lethe.onlyJob();
    assertThat(lethe.deadLetters()).isZero();
    assertThat(job.getErasedSamples()).isEqualTo(400).isEqualTo(erased);
    assertThat(lethe.forgetSet(job).getErased()).hasSize(400);
    lethe.unlearned(job);
    assertThat(lethe.receipts()).hasSize(5);
  }

  @Test
  void aBatchWhoseIdsFillNoRecordIsServedInSeveralJobs() {
    // Given: a job in flight, and behind it three requests of 4 MiB each
    lethe.registerAnchored("m", "d", policy(1, YEAR));
    lethe.lineage("alice", "d", "s1");
    lethe.request("alice");
    UnlearningJob running = lethe.onlyJob();
    String padding = "x".repeat(45_000);
    for (int request = 0; request < 3; request++) {
      int first = request * 100;
      lethe.requestSamples(
          "d",
          IntStream.range(first, first + 100)
              .mapToObj(i -> "%03d%s".formatted(i, padding))
              .toList());
    }

    // When
    lethe.unlearned(running);

    // Then
    for (int job = 0; job < 3; job++) {
      UnlearningJob next = lethe.onlyJob();
      assertThat(next.getSampleIds()).hasSize(100);
      lethe.unlearned(next);
    }
    assertThat(lethe.receipts()).hasSize(4);
    assertThat(lethe.deadLetters()).isZero();
  }
}
