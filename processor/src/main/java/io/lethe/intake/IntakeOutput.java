package io.lethe.intake;

import io.lethe.state.ErasureTask;
import io.lethe.state.RequestEvent;

/** What intake emits: tasks for batching, keyed by model, and events for tracking, by request. */
public sealed interface IntakeOutput {
  /** One model must forget some samples. */
  record Task(ErasureTask task) implements IntakeOutput {}

  /** A request was accepted or denied. */
  record Event(RequestEvent event) implements IntakeOutput {}
}
