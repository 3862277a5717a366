package io.lethe.batching;

import io.lethe.events.HeldOutKey;
import io.lethe.events.ModelVersion;
import io.lethe.events.UnlearningJob;
import io.lethe.state.RequestEvent;
import java.util.List;

/** What batching emits, keyed by model: jobs, versions, and events for tracking. */
public sealed interface BatchingOutput {
  /** A worker has something to do. */
  record Job(UnlearningJob job) implements BatchingOutput {}

  /** A model has a new version. */
  record Version(ModelVersion version) implements BatchingOutput {}

  /** A record of held-out targets is in the stores, or is not wanted: it is deleted. */
  record Retraction(HeldOutKey key) implements BatchingOutput {}

  /** Requests moved on. Of a batch there are thousands at once. */
  record Events(List<RequestEvent> events) implements BatchingOutput {
    public Events {
      events = List.copyOf(events);
    }
  }
}
