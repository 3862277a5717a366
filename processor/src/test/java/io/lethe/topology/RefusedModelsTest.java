package io.lethe.topology;

import static io.lethe.topology.TopologyFixture.SHA;
import static io.lethe.topology.TopologyFixture.diagonal;
import static io.lethe.topology.TopologyFixture.policy;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelCommandKind;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.events.UnlearningPolicy;
import io.lethe.events.Verdict;
import io.lethe.fisher.FisherDiagonal;
import io.lethe.state.Phase;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What becomes of the models that jobs make and nobody publishes. */
class RefusedModelsTest {
  private static final Duration YEAR = Duration.ofDays(365);
  private static final String RETRAINED = "c".repeat(64);
  private static final String OTHER = "d".repeat(64);
  private static final String REGISTERED_URI = "file:/models/m";
  private static final String REFUSED_URI = "file:/models/refused";
  private static final String NEXT_URI = "file:/models/next";
  private static final String RETRAINED_URI = "file:/models/" + RETRAINED;

  @TempDir Path directory;
  private TopologyFixture lethe;

  @BeforeEach
  void start() {
    lethe = TopologyFixture.unsigned(directory);
    lethe.lineage("alice", "d", "s1");
    lethe.lineage("bob", "d", "s2");
    register(SHA);
    snapshot(lethe.onlyJob());
  }

  @AfterEach
  void stop() {
    lethe.close();
  }

  private void register(String artifact) {
    UnlearningPolicy policy =
        UnlearningPolicy.newBuilder(policy(1, YEAR)).setFolds(0).setMaxErasedShare(1).build();
    lethe.register(lethe.registration("m", "d", policy, artifact).setRecipe("{}").build());
  }

  private void snapshot(UnlearningJob anchor) {
    assertThat(anchor.getKind()).isEqualTo(JobKind.ANCHOR);
    lethe.snapshot(anchor, diagonal(100, 10f, 20f, 30f));
    lethe.outcome(anchor, Verdict.RELEASE);
  }

  private UnlearningJob asked(String subject) {
    lethe.request(subject);
    return lethe.onlyJob();
  }

  private void ends(UnlearningJob job, Verdict verdict, String uri) {
    JobOutcome outcome =
        JobOutcome.newBuilder(lethe.outcomeOf(job, verdict)).setArtifactUri(uri).build();
    lethe.send(lethe.topics.jobOutcomes(), "m", outcome);
  }

  private void ends(UnlearningJob job, Verdict verdict, String uri, FisherDiagonal update) {
    lethe.subtract(job, update);
    ends(job, verdict, uri);
  }

  private UnlearningJob retraining() {
    lethe.modelCommand("m", ModelCommandKind.RETRAIN);
    UnlearningJob job = lethe.onlyJob();
    assertThat(job.getKind()).isEqualTo(JobKind.RETRAIN);
    return job;
  }

  @ParameterizedTest
  @EnumSource(
      value = Verdict.class,
      names = {"HOLD", "ESCALATE"})
  void aRefusedModelIsDeletedWithTheAnchorThatKnewWhatWasErased(Verdict verdict) {
    // Given
    ends(asked("alice"), verdict, REFUSED_URI);

    // When
    lethe.retrained(retraining(), RETRAINED);

    // Then: once, as the second retraining finds nothing of it
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getObsoleteArtifacts())
        .containsExactlyInAnyOrder(REGISTERED_URI, REFUSED_URI);
    snapshot(anchor);
    lethe.unlearned(asked("bob"));
    lethe.retrained(retraining(), OTHER);
    assertThat(lethe.onlyJob().getObsoleteArtifacts())
        .containsExactlyInAnyOrder(RETRAINED_URI, NEXT_URI);
  }

  @Test
  void aHeldModelThatAPersonReleasesIsThereForAsLongAsItIsServed() {
    // Given
    UnlearningJob job = asked("alice");
    ends(job, Verdict.HOLD, REFUSED_URI);
    lethe.modelCommand("m", ModelCommandKind.RELEASE);
    UnlearningJob released = lethe.onlyJob();
    lethe.subtract(released, diagonal(1, 1f, 2f, 3f));
    ends(released, Verdict.RELEASE, REFUSED_URI);
    assertThat(lethe.versions())
        .extracting(ModelVersion::getArtifactUri)
        .containsExactly(REFUSED_URI);

    // When: another artifact has yet to forget what this one has
    register(OTHER);

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getObsoleteArtifacts()).isEmpty();
    snapshot(anchor);
    lethe.unlearned(lethe.onlyJob());
    lethe.retrained(retraining(), RETRAINED);
    assertThat(lethe.onlyJob().getObsoleteArtifacts())
        .containsExactlyInAnyOrder(REFUSED_URI, NEXT_URI, REGISTERED_URI);
  }

  @Test
  void whatIsServedOutlivesRegistrationsThatNothingWasReleasedOf() {
    // Given: a release, and two other artifacts in a row
    ends(asked("alice"), Verdict.RELEASE, REFUSED_URI, diagonal(1, 1f, 2f, 3f));
    assertThat(lethe.versions()).extracting(ModelVersion::getVersion).containsExactly(1L);
    register(OTHER);
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();

    // When
    register("e".repeat(64));

    // Then: serving systems have the release until the last one has forgotten what was erased
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getObsoleteArtifacts()).isEmpty();
    snapshot(anchor);
    UnlearningJob carried = lethe.onlyJob();
    assertThat(carried.getSampleIds()).containsExactly("s1");
    lethe.unlearned(carried);
    assertThat(lethe.versions())
        .extracting(ModelVersion::getVersion, ModelVersion::getParent, ModelVersion::getArtifactUri)
        .containsExactly(tuple(2L, 1L, NEXT_URI));

    // And: it goes with the anchor after its successor
    register("f".repeat(64));
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).containsExactly(REFUSED_URI);
  }

  @Test
  void aHeldRetrainingThatAPersonReleasesStaysUntilTheNextTakesItsPlace() {
    // Given
    lethe.unlearned(asked("alice"));
    ends(retraining(), Verdict.HOLD, RETRAINED_URI);
    assertThat(lethe.model("m").getPhase()).isEqualTo(Phase.HELD);
    lethe.modelCommand("m", ModelCommandKind.RELEASE);

    // When
    lethe.retrained(lethe.onlyJob(), RETRAINED);

    // Then
    UnlearningJob anchor = lethe.onlyJob();
    assertThat(anchor.getObsoleteArtifacts()).containsExactlyInAnyOrder(REGISTERED_URI, NEXT_URI);
    snapshot(anchor);
    register(OTHER);
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();
  }

  @Test
  void aRetrainedModelIsDeletedOnceOneTakesItsPlaceThatNeverSawWhatItKnows() {
    // Given: another artifact after a retraining, which stays until something is released
    lethe.unlearned(asked("alice"));
    lethe.retrained(retraining(), RETRAINED);
    snapshot(lethe.onlyJob());
    register(OTHER);
    snapshot(lethe.onlyJob());
    lethe.unlearned(lethe.onlyJob());

    // When
    lethe.retrained(retraining(), "e".repeat(64));

    // Then
    assertThat(lethe.onlyJob().getObsoleteArtifacts())
        .containsExactlyInAnyOrder(RETRAINED_URI, NEXT_URI, REGISTERED_URI);
  }

  @Test
  void aModelThatAPersonHasMadeTheAnchorIsNotDeletedAsARefusedOne() {
    // Given
    ends(asked("alice"), Verdict.HOLD, REFUSED_URI);

    // When
    lethe.register(
        lethe
            .registration("m", "d", policy(1, YEAR), "b".repeat(64))
            .setArtifactUri(REFUSED_URI)
            .build());

    // Then
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();
  }

  @Test
  void whatAnotherRunOfTheJobHasMadeIsRememberedToo() {
    // Given: the first offer counts as lost, and both runs come to an end
    UnlearningJob first = asked("alice");
    lethe.advance(Duration.ofHours(1));
    UnlearningJob second = lethe.onlyJob();
    ends(first, Verdict.HOLD, REFUSED_URI);
    lethe.unlearned(second);
    ends(first, Verdict.RELEASE, "file:/models/late");

    // When
    lethe.retrained(retraining(), RETRAINED);

    // Then
    assertThat(lethe.onlyJob().getObsoleteArtifacts())
        .containsExactlyInAnyOrder(REGISTERED_URI, NEXT_URI, REFUSED_URI, "file:/models/late");
  }

  @Test
  void theOutcomeOfARetrainingThatComesTwiceDoesNotMarkItsModel() {
    // Given
    lethe.unlearned(asked("alice"));
    UnlearningJob job = retraining();
    lethe.retrained(job, RETRAINED);
    snapshot(lethe.onlyJob());

    // When
    lethe.retrained(job, RETRAINED);

    // Then
    register(OTHER);
    assertThat(lethe.onlyJob().getObsoleteArtifacts()).isEmpty();
  }
}
