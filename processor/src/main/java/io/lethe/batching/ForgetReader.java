package io.lethe.batching;

import io.lethe.events.JobKind;
import io.lethe.events.UnlearningJob;
import io.lethe.heldout.ForgetSetUnavailableException;
import io.lethe.heldout.HeldOutReader;
import io.lethe.heldout.HeldOutRows;
import io.lethe.state.ForgetSet;
import io.lethe.state.ModelState;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.UUID;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.state.ReadOnlyKeyValueStore;

/**
 * Reads what a job needs that its record has no room for, from outside the stream thread. While a
 * job is in flight no other changes what was erased, so that all answers to one job are the same.
 */
public final class ForgetReader {
  private final ReadOnlyKeyValueStore<String, ModelState> models;
  private final ReadOnlyKeyValueStore<String, UnlearningJob> jobs;
  private final ReadOnlyKeyValueStore<String, UUID> erased;
  private final HeldOutReader heldOut;

  public ForgetReader(
      ReadOnlyKeyValueStore<String, ModelState> models,
      ReadOnlyKeyValueStore<String, UnlearningJob> jobs,
      ReadOnlyKeyValueStore<String, UUID> erased,
      ReadOnlyKeyValueStore<Bytes, byte[]> heldOut) {
    this.models = models;
    this.jobs = jobs;
    this.erased = erased;
    this.heldOut = new HeldOutReader(heldOut);
  }

  /**
   * What was erased before, and the held-out targets of what the job is to forget. Of a job that
   * names classes, whose samples only the worker knows: the targets of all samples.
   *
   * @throws ForgetSetUnavailableException when the job is not in flight under the anchor
   */
  public ForgetSet read(String modelId, String anchorId, UUID jobId) {
    ModelState state = models.get(modelId);
    UnlearningJob job = jobs.get(modelId);
    if (state == null
        || job == null
        || !state.getAnchorId().equals(anchorId)
        || !Jobs.isInFlight(state, jobId)) {
      throw ForgetSetUnavailableException.obsolete();
    }
    List<String> known = new ArrayList<>(BatchingStores.erased(erased, modelId, anchorId));
    List<String> classes = new ArrayList<>(ErasedClasses.erased(erased, modelId));
    if (job.getKind() == JobKind.RETRAIN) {
      known.addAll(BatchingStores.carried(erased, modelId));
      classes.addAll(ErasedClasses.carried(erased, modelId));
    }
    Optional<HeldOutRows> targets =
        job.getKind() == JobKind.UNLEARN && job.getClasses().isEmpty()
            ? targets(job, known)
            : Optional.empty(); // those of a class were made by models that know it
    return ForgetSet.newBuilder()
        .setModelId(modelId)
        .setAnchorId(anchorId)
        .setJobId(jobId)
        .setErased(known)
        .setExcluded(BatchingStores.excluded(erased, modelId))
        .setErasedClasses(classes)
        .setExcludedClasses(ErasedClasses.excluded(erased, modelId))
        .setCarried(job.getAnchorReturned() ? BatchingStores.carried(erased, modelId) : List.of())
        .setClasses(targets.map(HeldOutRows::classes).orElse(0))
        .setTargetIds(targets.map(HeldOutRows::sampleIds).orElse(List.of()))
        .setLogits(targets.map(HeldOutRows::bytes).orElseGet(() -> ByteBuffer.allocate(0)))
        .build();
  }

  private Optional<HeldOutRows> targets(UnlearningJob job, List<String> known) {
    List<String> forget = new ArrayList<>(known);
    forget.addAll(job.getSampleIds());
    return heldOut.rows(job.getModelId(), job.getAnchorId(), forget);
  }
}
