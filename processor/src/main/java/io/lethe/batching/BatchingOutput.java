package io.lethe.batching;

import io.lethe.events.HeldOutKey;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.state.RequestEvent;

/** What batching emits: jobs and versions, keyed by model, and events for tracking, by request. */
public sealed interface BatchingOutput {
  /** A worker has something to do. */
  record Job(UnlearningJob job) implements BatchingOutput {}

  /** A model has a new version. */
  record Version(ModelVersion version) implements BatchingOutput {}

  /** A record of held-out targets is in the stores, or is not wanted: it is deleted. */
  record Retraction(HeldOutKey key) implements BatchingOutput {}

  /** A request moved on. */
  record Event(RequestEvent event) implements BatchingOutput {}
}
