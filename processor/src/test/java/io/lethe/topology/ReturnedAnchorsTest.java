package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.batching.BatchingStores;
import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.state.ModelState;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.streams.state.KeyValueStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An artifact that is registered again after more was erased: a rollback. */
class ReturnedAnchorsTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final String OTHER = "d".repeat(64);
  private static final String THIRD = "e".repeat(64);

  /** Of the releases of the test's worker. */
  private static final String RELEASED = "b".repeat(64);

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
    anchored(SHA);
    erased("s1");
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  /** Registers an artifact and plays its ANCHOR job. */
  private void anchored(String artifact, String... ladder) {
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(policy(1, YEAR))
            .setFolds(0)
            .setMaxErasedShare(1)
            .setLadder(ladder.length == 0 ? List.of("deepclean") : List.of(ladder))
            .build();
    lethe.register(lethe.registration("m", "d", policy, artifact).setRecipe("{}").build());
    UnlearningJob anchor = lethe.onlyJob();
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
  }

  private void erased(String sample) {
    lethe.requestSamples("d", List.of(sample));
    lethe.unlearned(lethe.onlyJob());
  }

  private UnlearningJob carried() {
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.UNLEARN);
    assertThat(job.getCarriedOver()).isTrue();
    return job;
  }

  /** Plays a job of which the dataset has nothing. */
  private void releasedAsItIs(UnlearningJob job) {
    lethe.subtract(job, diagonal(0, 0f, 0f, 0f));
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.RELEASE))
            .setArtifactUri(job.getAnchorUri())
            .setArtifactSha256(job.getAnchorSha256())
            .setFisherSamples(0)
            .setMethod("none")
            .build());
  }

  private void refused(UnlearningJob job, Verdict verdict) {
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, verdict))
            .clearArtifactUri()
            .clearArtifactSha256()
            .clearMethod()
            .setError("the artifact is from before an erasure")
            .build());
  }

  @Test
  void anArtifactFromBeforeAnErasureIsSaidToKnowWhatWasErased() {
    // Given: another one took its place
    anchored(OTHER);
    UnlearningJob others = carried();
    assertThat(others.getAnchorReturned()).isFalse();
    releasedAsItIs(others);
    lethe.versions();

    // When
    anchored(SHA);

    // Then: it is not released before a person says so, nor is anything else of it
    UnlearningJob returned = carried();
    assertThat(returned.getAnchorReturned()).isTrue();
    refused(returned, Verdict.HOLD);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.HELD);
    lethe.requestSamples("d", List.of("s2"));
    assertThat(lethe.jobs()).isEmpty();
    assertThat(lethe.versions()).isEmpty();
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    UnlearningJob anew = lethe.onlyJob();
    assertThat(anew.getKind()).isEqualTo(JobKind.RETRAIN);
    lethe.retrained(anew, THIRD);
    assertThat(lethe.versions()).extracting(ModelVersion::getMethod).containsExactly("retrain");
  }

  @Test
  void whereItsLadderSaysSoItIsTrainedAnew() {
    // Given
    anchored(OTHER);
    releasedAsItIs(carried());
    anchored(SHA, "deepclean", "retrain");

    // When
    refused(carried(), Verdict.ESCALATE);

    // Then
    UnlearningJob anew = lethe.onlyJob();
    assertThat(anew.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(anew.getSampleIds()).containsExactly("s1");
  }

  @Test
  void aPersonsReleaseDoesNotMakeItOneThatNeverKnew() {
    // Given: it is released as it is, by a person's word
    anchored(OTHER);
    releasedAsItIs(carried());
    anchored(SHA);
    refused(carried(), Verdict.HOLD);
    lethe.modelCommand("m", ModelCommandKind.RELEASE);
    UnlearningJob released = lethe.onlyJob();
    assertThat(released.getGateOverridden()).isTrue();
    releasedAsItIs(released);
    anchored(THIRD);
    releasedAsItIs(carried());

    // When
    anchored(SHA);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void anArtifactOfWhichNothingWasErasedSinceIsOneOfNow() {
    // Given: it never knew what the dataset lacked when it was first registered
    anchored(OTHER);
    releasedAsItIs(carried());
    anchored(THIRD);
    releasedAsItIs(carried());

    // When
    anchored(OTHER);

    // Then
    UnlearningJob again = carried();
    assertThat(again.getAnchorReturned()).isFalse();
    releasedAsItIs(again);

    // And: after another erasure it is not
    erased("s2");
    anchored(THIRD);
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void aReleaseKnowsOnlyWhatWasErasedAfterIt() {
    // Given: the release that has forgotten all is registered itself
    anchored(RELEASED);
    UnlearningJob first = carried();
    assertThat(first.getAnchorReturned()).isFalse();
    releasedAsItIs(first);
    anchored(OTHER);
    releasedAsItIs(carried());
    lethe.requestSamples("d", List.of("s2"));
    UnlearningJob more = lethe.onlyJob();
    lethe.subtract(more, diagonal(1, 1f, 2f, 3f));
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(more, Verdict.RELEASE))
            .setArtifactSha256("f".repeat(64))
            .build());

    // When
    anchored(RELEASED);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void aRefusedModelMayKnowAllThatWasErased() {
    // Given
    lethe.requestSamples("d", List.of("s2"));
    UnlearningJob job = lethe.onlyJob();
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.HOLD)).setArtifactSha256(OTHER).build());

    // When
    anchored(OTHER);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void anArtifactIsKnownAgainAfterARetirement() {
    // Given: what was erased before the retirement makes tasks of its own
    lethe.retire("m");
    anchored(OTHER);
    UnlearningJob late = lethe.onlyJob();
    assertThat(late.getCarriedOver()).isFalse();
    lethe.unlearned(late);

    // When
    anchored(SHA);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void itIsTrainedAnewOnAPersonsWordWhereNoRequestWaits() {
    // Given
    anchored(OTHER);
    releasedAsItIs(carried());
    anchored(SHA);
    refused(carried(), Verdict.HOLD);
    lethe.versions();

    // When
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);

    // Then
    UnlearningJob anew = lethe.onlyJob();
    assertThat(anew.getKind()).isEqualTo(JobKind.RETRAIN);
    assertThat(anew.getSampleIds()).containsExactly("s1");
    lethe.retrained(anew, THIRD);
    assertThat(lethe.versions()).extracting(ModelVersion::getMethod).containsExactly("retrain");
  }

  @Test
  void itsJobsAreToldAllThatItHasYetToForget() {
    // Given
    lethe.requestClasses(new UUID(1, 1), "d", List.of(), "2");
    lethe.unlearned(lethe.onlyJob(), Map.of("2", List.of("s5")));
    anchored(OTHER);
    UnlearningJob others = carried();
    assertThat(lethe.forgetSet(others).getCarried()).isEmpty();

    // When
    anchored(SHA);

    // Then
    UnlearningJob classes = carried();
    assertThat(classes.getClasses()).containsExactly("2");
    assertThat(lethe.forgetSet(classes).getCarried()).containsExactly("s1", "s5");
  }

  /** As it was before artifacts were remembered. */
  private void forgetArtifacts() {
    KeyValueStore<String, UUID> erased = lethe.driver.getKeyValueStore(BatchingStores.ERASED_STORE);
    lethe.keys(BatchingStores.ERASED_STORE).stream()
        .filter(key -> key.contains("\u0000had\u0000"))
        .forEach(erased::delete);
    lethe
        .driver
        .<String, ModelState>getKeyValueStore(BatchingStores.MODELS_STORE)
        .put("m", ModelState.newBuilder(lethe.model("m")).setErasedBy(0).setServedUri("").build());
  }

  @Test
  void releasesFromBeforeArtifactsWereRememberedAreKnownWhereTheyLieUnderTheirDigests() {
    // Given
    lethe.requestSamples("d", List.of("s2"));
    UnlearningJob job = lethe.onlyJob();
    lethe.subtract(job, diagonal(1, 1f, 2f, 3f));
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        JobOutcome.newBuilder(lethe.outcomeOf(job, Verdict.RELEASE))
            .setArtifactUri("file:/store/sha256/ee/" + THIRD + ".params")
            .setArtifactSha256(THIRD)
            .build());
    erased("s3");
    forgetArtifacts();
    anchored(OTHER);
    assertThat(carried().getAnchorReturned()).isFalse();

    // When
    anchored(THIRD);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void anArtifactThatWasRegisteredBeforeThatMayBeAnOlderOne() {
    // Given
    lethe.register(
        "m", "d", UnlearningPolicy.newBuilder(policy(1, YEAR)).setFolds(0).build(), OTHER);
    UnlearningJob anchor = lethe.onlyJob();
    forgetArtifacts();
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));

    // When
    lethe.outcome(anchor, Verdict.RELEASE);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void anArtifactThatHadSomethingToForgetIsNotTakenForOneThatNeverKnew() {
    // Given: the dataset still had the sample when it was here first
    anchored(OTHER);
    UnlearningJob found = carried();
    assertThat(found.getAnchorReturned()).isFalse();
    lethe.unlearned(found);
    anchored(THIRD);
    releasedAsItIs(carried());

    // When
    anchored(OTHER);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void norIsOneOfWhichTheGateHasRefusedTheModel() {
    // Given
    anchored(OTHER);
    lethe.outcome(carried(), Verdict.HOLD);
    anchored(THIRD);
    releasedAsItIs(carried());

    // When
    anchored(OTHER);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }

  @Test
  void norIsAReleaseThatHadMoreToForget() {
    // Given: an artifact has a class to forget before the samples
    String between = "f".repeat(64);
    lethe.requestClasses(new UUID(1, 1), "d", List.of(), "2");
    lethe.unlearned(lethe.onlyJob(), Map.of("2", List.of("s5")));
    anchored(OTHER);
    UnlearningJob classes = carried();
    assertThat(classes.getClasses()).containsExactly("2");
    lethe.subtract(classes, diagonal(1, 1f, 2f, 3f));
    lethe.send(
        lethe.topics.jobOutcomes(),
        "m",
        lethe
            .outcomeOf(classes, Map.of("2", List.of("s5")))
            .setFisherSamples(1)
            .setArtifactSha256(between)
            .build());
    UnlearningJob rest = carried();
    assertThat(rest.getAnchorReturned()).as("as the first").isFalse();
    lethe.unlearned(rest);

    // When
    anchored(between);

    // Then
    assertThat(carried().getAnchorReturned()).isTrue();
  }
}
