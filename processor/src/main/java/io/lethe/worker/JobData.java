package io.lethe.worker;

import io.lethe.dataset.SampleDataset;
import io.lethe.dataset.SubsetDataset;
import io.lethe.state.ForgetSet;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A job's datasets by what was forgotten before it. Of a class that was forgotten whole nothing is
 * left, neither what the dataset has come to hold of it since, nor holdout samples: a model that
 * does not know the class must not be measured on it.
 */
final class JobData {
  private final SampleDataset whole;
  private final Optional<SampleDataset> heldOut;
  private final SampleDataset anchored;
  private final SampleDataset unerased;
  private final List<String> goneClasses;

  JobData(JobInputs inputs, ForgetSet known) {
    whole = inputs.dataset();
    heldOut = inputs.holdout();
    goneClasses = new ArrayList<>(known.getErasedClasses());
    goneClasses.addAll(known.getExcludedClasses());
    Set<String> erased = new HashSet<>(known.getErased());
    List<String> never = new ArrayList<>(known.getExcluded());
    never.addAll(
        ForgottenClasses.samples(
            whole, ForgottenClasses.labels(goneClasses), id -> !erased.contains(id)));
    anchored = SubsetDataset.without(whole, never);
    unerased = SubsetDataset.without(anchored, known.getErased());
  }

  /** All that the source has now. */
  SampleDataset whole() {
    return whole;
  }

  /** What the anchor was trained on, as far as the source still has it. */
  SampleDataset anchored() {
    return anchored;
  }

  /** Of that, what was not erased since. */
  SampleDataset unerased() {
    return unerased;
  }

  /** Samples that the model never saw, of the classes that it still knows. */
  Optional<SampleDataset> holdout() {
    return heldOut.map(
        holdout ->
            SubsetDataset.without(
                holdout,
                ForgottenClasses.samples(
                    holdout, ForgottenClasses.labels(goneClasses), id -> true)));
  }
}
