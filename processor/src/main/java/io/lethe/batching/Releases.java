package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelVersion;
import io.lethe.events.ReleaseMode;
import io.lethe.events.ResolvedClass;
import io.lethe.events.UnlearningJob;
import io.lethe.events.Verdict;
import io.lethe.state.ModelState;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.UnaryOperator;

/** The end of a job that did its work: an anchor to collect on, or a version to publish. */
final class Releases {
  private final UnaryOperator<ModelVersion> attestor;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final Jobs jobs;
  private final Answers answers;
  private final Anchors anchors;

  Releases(
      UnaryOperator<ModelVersion> attestor,
      BatchingStores stores,
      BatchingEmitter emitter,
      Jobs jobs,
      Answers answers,
      Anchors anchors) {
    this.attestor = attestor;
    this.stores = stores;
    this.emitter = emitter;
    this.jobs = jobs;
    this.answers = answers;
    this.anchors = anchors;
  }

  /**
   * Refuses a release that lacks what its version says: no step may be begun with it, as what one
   * has written stays where it fails.
   */
  static void requireWhole(JobOutcome outcome, JobKind kind) {
    boolean whole =
        outcome.getArtifactUri().isPresent()
            && outcome.getArtifactSha256().isPresent()
            && outcome.getMethod().isPresent()
            && outcome.getBefore().isPresent()
            && outcome.getAfter().isPresent();
    if (kind != JobKind.ANCHOR && !whole) {
      throw new InvalidOutcomeException(
          "a released model needs an artifact, its digest, a method, and how it was measured before"
              + " and after");
    }
  }

  /**
   * Remembers the model that a job has made, whatever becomes of it: one that is refused, or that
   * another run of the job was faster than, knows what is erased as a released one does. Models are
   * named by their content: where a person releases what was held it is the same one.
   */
  void remember(JobOutcome outcome) {
    outcome
        .getArtifactUri()
        .filter(uri -> outcome.getKind() != JobKind.ANCHOR)
        .ifPresent(uri -> stores.addObsolete(outcome.getModelId(), uri, outcome.getJobId()));
    outcome
        .getArtifactSha256()
        .filter(sha -> outcome.getKind() != JobKind.ANCHOR)
        .ifPresent(sha -> stores.artifacts(outcome.getModelId()).add(sha, 0));
  }

  /**
   * Remembers that a carried job found what its anchor was to forget: when that comes back, what
   * the source has deleted by then is not taken for what it never knew. So does a retraining in its
   * place, before which nobody has looked.
   */
  void rememberAnchor(ModelState state, JobOutcome outcome) {
    UnlearningJob job = stores.job(outcome.getModelId());
    boolean found =
        job.getKind() == JobKind.RETRAIN
            || outcome.getFisherSamples() > 0
            || (outcome.getVerdict() != Verdict.RELEASE && outcome.getArtifactSha256().isPresent());
    if (job.getCarriedOver() && found) {
      stores.artifacts(outcome.getModelId()).knew(state.getAnchorId());
    }
  }

  /** Ends the job in flight once its outcome is there and all updates that go with it. */
  ModelState completeIfWhole(ModelState state) {
    if (state.getOutcome().isEmpty()) {
      return state;
    }
    JobOutcome outcome = state.getOutcome().get();
    UnlearningJob job = stores.job(outcome.getModelId());
    return switch (job.getKind()) {
      case ANCHOR ->
          (!job.getFisher() || stores.isSummed(state, outcome.getJobId()))
                  && (!job.getHeldout() || isPredicted(state, outcome.getJobId()))
              ? anchors.completed(state, job)
              : state;
      case UNLEARN ->
          stores.isSummed(state, outcome.getJobId()) ? release(state, job, outcome) : state;
      case RETRAIN -> retrained(state, job, outcome);
    };
  }

  private boolean isPredicted(ModelState state, UUID jobId) {
    return stores
        .heldOut()
        .appliedJob(state.getRegistration().getModelId(), state.getAnchorId())
        .filter(jobId::equals)
        .isPresent();
  }

  private ModelState release(ModelState state, UnlearningJob job, JobOutcome outcome) {
    String modelId = outcome.getModelId();
    List<String> forgotten = forgotten(job, outcome);
    if (forgotten.isEmpty()
        && !job.getCarriedOver()
        && outcome.getArtifactSha256().orElseThrow().equals(state.getArtifactSha256())) {
      // Classes that the dataset lacks, or of which all was erased: there is nothing to publish.
      markErased(state, job, forgotten);
      return answers.byCurrentVersion(jobs.ended(state).build());
    }
    int erased = state.getErasedSamples() + forgotten.size();
    // Signed before the first write: what fails here must not leave half a release behind.
    ModelVersion version =
        attestor.apply(
            published(state, job, outcome)
                .setAnchorId(state.getAnchorId())
                .setSamples(forgotten.size())
                .setErasedSamples(erased)
                .build());
    Carried carried = markErased(state, job, forgotten);
    if (job.getPolicy().getMode() == ReleaseMode.CHAINED) {
      stores.heldOut().delete(modelId, state.getAnchorId(), forgotten);
    }
    emitter.emit(version, job.getTrace());
    return answers.byRelease(
        versioned(state, job, version, carried)
            .setArtifactUri(version.getArtifactUri())
            .setErasedSamples(erased)
            .setErosion(erosion(outcome))
            .setJobMillis(LeadTime.learn(state.getJobMillis(), state, emitter.now()))
            .build(),
        outcome.getResolvedClasses());
  }

  /** A model that never knew what was erased: it becomes the anchor, the old one is deleted. */
  private ModelState retrained(ModelState state, UnlearningJob job, JobOutcome outcome) {
    List<String> forgotten = forgotten(job, outcome);
    ModelVersion version =
        attestor.apply(
            published(state, job, outcome)
                .setAnchorId(outcome.getArtifactSha256().orElseThrow())
                .setSamples(forgotten.size())
                .setErasedSamples(0)
                .build());
    Carried carried = markErased(state, job, forgotten);
    emitter.emit(version, job.getTrace());
    ModelState answered =
        answers.exact(
            answers.byRetraining(
                versioned(state, job, version, carried)
                    .setRetrainMillis(
                        LeadTime.learn(state.getRetrainMillis(), state, emitter.now()))
                    .build(),
                outcome.getResolvedClasses()));
    return anchors.trained(answered, version);
  }

  private static List<String> forgotten(UnlearningJob job, JobOutcome outcome) {
    List<String> forgotten = new ArrayList<>(job.getSampleIds());
    for (ResolvedClass resolved : outcome.getResolvedClasses()) {
      forgotten.addAll(resolved.getSampleIds());
    }
    return forgotten;
  }

  /** What earlier anchors had forgotten and this one now has. */
  private record Carried(int samples, int classes) {}

  private Carried markErased(ModelState state, UnlearningJob job, List<String> forgotten) {
    String modelId = job.getModelId();
    int samples = 0;
    for (String sampleId : forgotten) {
      stores.markErased(modelId, state.getAnchorId(), sampleId, job.getJobId());
      samples += job.getCarriedOver() && stores.deleteCarried(modelId, sampleId) ? 1 : 0;
    }
    int classes = 0;
    for (String label : job.getClasses()) {
      classes += stores.classes(modelId).markErased(label, job.getJobId()) ? 1 : 0;
    }
    return new Carried(samples, classes);
  }

  private ModelVersion.Builder published(ModelState state, UnlearningJob job, JobOutcome outcome) {
    return ModelVersion.newBuilder()
        .setModelId(outcome.getModelId())
        .setVersion(state.getVersion() + 1)
        .setParent(state.getVersion())
        .setJobId(job.getJobId())
        .setArtifactUri(outcome.getArtifactUri().orElseThrow())
        .setArtifactSha256(outcome.getArtifactSha256().orElseThrow())
        .setFormat(job.getFormat())
        .setMethod(outcome.getMethod().orElseThrow())
        .setSelectedFraction(outcome.getSelectedFraction().orElse(0.0))
        .setBefore(outcome.getBefore().orElseThrow())
        .setAfter(outcome.getAfter().orElseThrow())
        .setControl(outcome.getControl().orElse(null))
        .setChecks(outcome.getChecks())
        .setRequests(job.getRequests())
        .setPublishedAt(emitter.now())
        .setAttestation("");
  }

  private ModelState.Builder versioned(
      ModelState state, UnlearningJob job, ModelVersion version, Carried carried) {
    int carriedSamples = state.getCarriedSamples() - carried.samples();
    int carriedClasses = state.getCarriedClasses() - carried.classes();
    boolean knowsMore =
        job.getKind() == JobKind.UNLEARN
            && (carriedSamples > 0
                || carriedClasses > 0
                || (job.getAnchorReturned() && job.getGateOverridden()));
    KnownArtifacts artifacts = stores.artifacts(version.getModelId());
    if (knowsMore) {
      artifacts.putLike(state.getAnchorId(), version.getArtifactSha256());
    } else if (!version.getArtifactSha256().equals(state.getAnchorId())) {
      // An anchor that is released as it is knows what it knew, whoever has said that it may be.
      artifacts.put(version.getArtifactSha256(), version.getVersion());
    }
    boolean more =
        !job.getCarriedOver() && (version.getSamples() > 0 || !job.getClasses().isEmpty());
    return jobs.ended(state)
        .setVersion(version.getVersion())
        .setArtifactSha256(version.getArtifactSha256())
        .setServedUri(version.getArtifactUri())
        .setErasedBy(more ? version.getVersion() : state.getErasedBy())
        .setVersionAt(version.getPublishedAt())
        .setCarriedSamples(carriedSamples)
        .setCarriedClasses(carriedClasses);
  }

  private static double erosion(JobOutcome outcome) {
    return outcome.getBefore().orElseThrow().getHoldout().getAccuracy()
        - outcome.getAfter().orElseThrow().getHoldout().getAccuracy();
  }
}
