package io.lethe.batching;

import io.lethe.events.Trace;
import io.lethe.state.ErasureTask;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * The trace of a batch while it is gathered: a job has one parent, the first of its requests that
 * came with a trace, and is linked to each of them, as OpenTelemetry has it for batches.
 */
final class BatchTrace {
  /** OpenTelemetry's default limit of a span's links; they must also fit into a header. */
  static final int MAX_LINKS = 128;

  private final Set<String> links = new LinkedHashSet<>();
  private Trace first;

  /** Takes the next task of the batch. */
  void add(ErasureTask task) {
    if (task.getTrace().isEmpty() || links.size() == MAX_LINKS) {
      return;
    }
    Trace trace = task.getTrace().get();
    first = first == null ? trace : first;
    links.add(trace.getParent());
  }

  /** Null when no request of the batch came with a trace. */
  Trace trace() {
    return first == null
        ? null
        : new Trace(first.getParent(), first.getState(), List.copyOf(links));
  }
}
