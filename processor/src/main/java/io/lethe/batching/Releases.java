package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.state.ModelState;
import java.util.function.UnaryOperator;

/** The end of a job that did its work: an anchor to collect on, or a version to publish. */
final class Releases {
  private final UnaryOperator<ModelVersion> attestor;
  private final BatchingStores stores;
  private final BatchingEmitter emitter;
  private final Batches batches;
  private final Jobs jobs;

  Releases(
      UnaryOperator<ModelVersion> attestor,
      BatchingStores stores,
      BatchingEmitter emitter,
      Batches batches,
      Jobs jobs) {
    this.attestor = attestor;
    this.stores = stores;
    this.emitter = emitter;
    this.batches = batches;
    this.jobs = jobs;
  }

  /** Ends the job in flight once both its outcome and its Fisher update are there. */
  ModelState completeIfWhole(ModelState state) {
    if (state.getOutcome().isEmpty()) {
      return state;
    }
    JobOutcome outcome = state.getOutcome().get();
    var fisher = stores.fisher().state(outcome.getModelId(), state.getAnchorId());
    boolean applied =
        fisher.isPresent() && fisher.get().getAppliedJobs().contains(outcome.getJobId());
    if (!applied) {
      return state;
    }
    if (outcome.getKind() == JobKind.ANCHOR) {
      return jobs.ended(state).setTrainingSamples(fisher.get().getRetainedSamples()).build();
    }
    return release(state, outcome);
  }

  private ModelState release(ModelState state, JobOutcome outcome) {
    UnlearningJob job = stores.job(outcome.getModelId());
    for (String sampleId : job.getSampleIds()) {
      stores.markErased(outcome.getModelId(), state.getAnchorId(), sampleId, job.getJobId());
      if (job.getCarriedOver()) {
        stores.deleteCarried(outcome.getModelId(), sampleId);
      }
    }
    int carried = job.getCarriedOver() ? job.getSampleIds().size() : 0;
    int erased = state.getErasedSamples() + job.getSampleIds().size();
    ModelVersion version =
        attestor.apply(
            ModelVersion.newBuilder()
                .setModelId(outcome.getModelId())
                .setVersion(state.getVersion() + 1)
                .setParent(state.getVersion())
                .setAnchorId(state.getAnchorId())
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
                .setSamples(job.getSampleIds().size())
                .setErasedSamples(erased)
                .setPublishedAt(emitter.now())
                .setAttestation("")
                .build());
    emitter.emit(version, job.getTrace());
    return batches.answer(
        jobs.ended(state)
            .setVersion(version.getVersion())
            .setArtifactSha256(version.getArtifactSha256())
            .setVersionAt(version.getPublishedAt())
            .setErasedSamples(erased)
            .setCarriedSamples(state.getCarriedSamples() - carried)
            .setJobMillis(LeadTime.learn(state, emitter.now()))
            .build());
  }
}
