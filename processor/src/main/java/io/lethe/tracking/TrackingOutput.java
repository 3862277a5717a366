package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
import io.lethe.events.RequestSignal;
import io.lethe.state.RequestEvent;

/** What tracking emits, by request. */
public sealed interface TrackingOutput {
  /** A request has ended. */
  record Receipt(ErasureReceipt receipt) implements TrackingOutput {}

  /** A due date is near or has passed. */
  record Signal(RequestSignal signal) implements TrackingOutput {}

  /** The partition of intake that the event names has to know. */
  record Feedback(RequestEvent event) implements TrackingOutput {}

  /** A command whose request did not arrive. */
  record Undeliverable(RequestEvent command, UnknownRequestException cause)
      implements TrackingOutput {}
}
