package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelRegistered;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a job goes on with that waited for a person: to be released, or mended and tried again. */
class ResumedJobsTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final String HELD = "b".repeat(64);
  private static final String OTHER = "c".repeat(64);
  private static final String PREDICTIONS = "f".repeat(64);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private ModelRegistered.Builder model(int maxRequests, int folds) {
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(policy(maxRequests, YEAR))
            .setFolds(folds)
            .setMaxErasedShare(1)
            .build();
    return lethe.registration("m", "d", policy, SHA).setRecipe("{}");
  }

  private void anchored(int maxRequests) {
    lethe.register(model(maxRequests, 0).build());
    snapshot(lethe.onlyJob());
  }

  private void snapshot(UnlearningJob anchor) {
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
  }

  private void park(UnlearningJob job) {
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.FAILED)).setRetryable(false).build());
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
  }

  private UnlearningJob word(ModelCommandKind command) {
    lethe.modelCommand("m", command);
    return lethe.onlyJob();
  }

  private UnlearningJob asked(String subject) {
    lethe.request(subject);
    return lethe.onlyJob();
  }

  @Test
  void aReleaseNamesTheModelThatWasHeldAndKeepsThePolicyThatMadeIt() {
    // Given
    anchored(1);
    UnlearningJob job = asked("alice");
    lethe.outcome(job, Verdict.HOLD);
    lethe.register(model(7, 0).build());

    // When
    UnlearningJob released = word(ModelCommandKind.RELEASE);

    // Then
    assertThat(released.getJobId()).isEqualTo(job.getJobId());
    assertThat(released.getGateOverridden()).isTrue();
    assertThat(released.getHeldSha256()).contains(HELD);
    assertThat(released.getPolicy()).isEqualTo(job.getPolicy());
    assertThat(lethe.model("m").getRegistration().getPolicy().getMaxRequests()).isEqualTo(7);
  }

  @Test
  void whatIsHeldAgainIsAnotherModelThatMayBeReleasedThen() {
    // Given
    anchored(1);
    lethe.outcome(asked("alice"), Verdict.ESCALATE);
    UnlearningJob first = word(ModelCommandKind.RELEASE);
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(first, Verdict.HOLD))
            .setArtifactSha256(OTHER)
            .setError("the job made another model")
            .build());
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.HELD);

    // When
    UnlearningJob second = word(ModelCommandKind.RELEASE);

    // Then
    assertThat(second.getHeldSha256()).contains(OTHER);
    lethe.unlearned(second);
    assertThat(lethe.versions()).hasSize(1);
  }

  @Test
  void anotherTryOfWhatWasHeldIsJudgedByItsGateAlone() {
    // Given
    anchored(1);
    lethe.outcome(asked("alice"), Verdict.HOLD);
    lethe.register(model(7, 0).build());

    // When
    UnlearningJob again = word(ModelCommandKind.RETRY);

    // Then
    assertThat(again.getHeldSha256()).isEmpty();
    assertThat(again.getGateOverridden()).isFalse();
    assertThat(again.getPolicy().getMaxRequests()).isEqualTo(7);
  }

  @Test
  void aReleaseOfAModelThatNobodyNamedGoesByTheCurrentPolicy() {
    // Given: an outcome without an artifact
    anchored(1);
    UnlearningJob job = asked("alice");
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.HOLD))
            .setArtifactUri((String) null)
            .setArtifactSha256((String) null)
            .build());
    lethe.register(model(7, 0).build());

    // When
    UnlearningJob released = word(ModelCommandKind.RELEASE);

    // Then
    assertThat(released.getHeldSha256()).isEmpty();
    assertThat(released.getGateOverridden()).isTrue();
    assertThat(released.getPolicy().getMaxRequests()).isEqualTo(7);
  }

  @Test
  void aReleaseThatIsLostIsOfferedAgainWithWhatWasHeld() {
    // Given
    anchored(1);
    lethe.outcome(asked("alice"), Verdict.HOLD);
    word(ModelCommandKind.RELEASE);

    // When
    lethe.advance(Duration.ofHours(1));

    // Then
    assertThat(lethe.onlyJob().getHeldSha256()).contains(HELD);
  }

  @Test
  void anAnchorIsTriedAgainByTheRecipeAndThePlacesThatAreRegisteredNow() {
    // Given
    lethe.register(model(1, 5).build());
    UnlearningJob before = lethe.onlyJob();
    park(before);
    lethe.register(
        model(1, 5)
            .setRecipe("{\"epochs\": 2}")
            .setArtifactUri("file:/moved")
            .setDatasetUri("synthetic:moved")
            .setHoldoutUri("synthetic:holdout")
            .build());
    assertThat(lethe.jobs()).isEmpty();

    // When
    UnlearningJob after = word(ModelCommandKind.RETRY);

    // Then
    assertThat(after.getJobId()).isNotEqualTo(before.getJobId());
    assertThat(after.getKind()).isEqualTo(JobKind.ANCHOR);
    assertThat(after.getFisher()).isTrue();
    assertThat(after.getRecipe()).contains("{\"epochs\": 2}");
    assertThat(after.getAnchorUri()).isEqualTo("file:/moved");
    assertThat(after.getDatasetUri()).isEqualTo("synthetic:moved");
    assertThat(after.getHoldoutUri()).contains("synthetic:holdout");
    snapshot(before); // by a worker that was given up
    lethe.targets(before, "s1");
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.ANCHORING);
    snapshot(after);
    lethe.targets(after, "s1");
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.COLLECTING);
  }

  @Test
  void whatIsTriedAgainAsItWasIsTheSameWork() {
    // Given
    lethe.register(model(1, 5).build());
    UnlearningJob before = lethe.onlyJob();
    park(before);

    // When
    UnlearningJob after = word(ModelCommandKind.RETRY);

    // Then
    assertThat(after)
        .isEqualTo(UnlearningJob.newBuilder(before).setAttempt(2).setGateOverridden(false).build());
  }

  @Test
  void predictionsThatCannotBeReadAreMendedByRegisteringOthers() {
    // Given
    anchored(1);
    lethe.register(
        model(1, 0).setHeldoutUri("file:/bad.npz").setHeldoutSha256("e".repeat(64)).build());
    UnlearningJob before = lethe.onlyJob();
    park(before);
    lethe.register(
        model(1, 0).setHeldoutUri("file:/good.npz").setHeldoutSha256(PREDICTIONS).build());

    // When
    UnlearningJob after = word(ModelCommandKind.RETRY);

    // Then
    assertThat(after.getJobId()).isNotEqualTo(before.getJobId());
    assertThat(after.getFisher()).isFalse();
    assertThat(after.getHeldout()).isTrue();
    assertThat(after.getHeldoutUri()).contains("file:/good.npz");
    lethe.targets(after, "s1");
    lethe.outcome(after, Verdict.RELEASE);
    assertThat(lethe.model("m").getTargetsOf()).isEqualTo(PREDICTIONS);
  }

  @Test
  void targetsThatNobodyWantsAnyMoreNeedNoJob() {
    // Given: alice waits behind predictions that are taken back
    anchored(1);
    lethe.register(
        model(1, 0).setHeldoutUri("file:/bad.npz").setHeldoutSha256(PREDICTIONS).build());
    park(lethe.onlyJob());
    lethe.request("alice");
    lethe.register(model(1, 0).build());

    // When
    UnlearningJob next = word(ModelCommandKind.RETRY);

    // Then
    assertThat(next.getKind()).isEqualTo(JobKind.UNLEARN);
    assertThat(next.getSampleIds()).containsExactly("s1");
  }

  @Test
  void aRetrainingIsTriedAgainByAMendedRecipe() {
    // Given
    anchored(1);
    lethe.unlearned(asked("alice"));
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    UnlearningJob before = lethe.onlyJob();
    park(before);
    lethe.register(model(1, 0).setRecipe("{\"epochs\": 2}").build());
    lethe.versions();

    // When
    UnlearningJob after = word(ModelCommandKind.RETRY);

    // Then
    assertThat(after.getRecipe()).contains("{\"epochs\": 2}");
    assertThat(after.getJobId()).isNotEqualTo(before.getJobId());
    assertThat(lethe.forgetSet(after).getErased()).containsExactly("s1");
    lethe.retrained(before, OTHER);
    assertThat(lethe.versions()).isEmpty();
    lethe.retrained(after, OTHER);
    assertThat(lethe.versions()).hasSize(1);
  }

  @Test
  void unlearningIsTriedAgainOnAMovedDatasetUnderItsIdByWhichTheSumsKnowIt() {
    // Given: its update came, its outcome did not
    anchored(1);
    UnlearningJob before = asked("alice");
    lethe.subtract(before, diagonal(1, 1f, 2f, 3f));
    lethe.advance(Duration.ofHours(1));
    lethe.onlyJob();
    lethe.advance(Duration.ofHours(1));
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.PARKED);
    lethe.register(model(1, 0).setDatasetUri("synthetic:moved").build());

    // When
    UnlearningJob after = word(ModelCommandKind.RETRY);

    // Then
    assertThat(after.getJobId()).isEqualTo(before.getJobId());
    assertThat(after.getDatasetUri()).isEqualTo("synthetic:moved");
    lethe.unlearned(after);
    assertThat(lethe.receipts()).hasSize(1);
    assertThat(lethe.sums("m").orElseThrow().retained().samples()).isEqualTo(99);
  }

  @Test
  void aMovedArtifactOfARetrainedModelLeavesTheAnchorWhereItIs() {
    // Given
    anchored(1);
    lethe.unlearned(asked("alice"));
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    lethe.retrained(lethe.onlyJob(), OTHER);
    UnlearningJob before = lethe.onlyJob();
    park(before);
    lethe.register(model(1, 0).setArtifactUri("file:/moved").build());

    // When
    UnlearningJob after = word(ModelCommandKind.RETRY);

    // Then
    assertThat(after.getAnchorUri()).isEqualTo("file:/models/" + OTHER);
    assertThat(after.getObsoleteArtifacts()).isEqualTo(before.getObsoleteArtifacts());
    assertThat(List.of(after.getJobId())).containsExactly(before.getJobId());
  }
}
