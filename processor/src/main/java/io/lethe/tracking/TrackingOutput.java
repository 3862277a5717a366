package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
import io.lethe.state.RequestEvent;

/** What tracking emits, by request. */
public sealed interface TrackingOutput {
  /** A request has ended. */
  record Receipt(ErasureReceipt receipt) implements TrackingOutput {}

  /** The partition of intake that the event names has to know. */
  record Feedback(RequestEvent event) implements TrackingOutput {}
}
