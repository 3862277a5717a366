package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
import io.lethe.state.RequestEvent;
import io.lethe.streams.RuleProcessor;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;

/** The processor of tracking. */
public final class TrackingProcessors {
  private final UnaryOperator<ErasureReceipt> attestor;

  /**
   * @param attestor signs a receipt whose attestation is still empty; must be deterministic
   */
  public TrackingProcessors(UnaryOperator<ErasureReceipt> attestor) {
    this.attestor = attestor;
  }

  /** Takes what happened to requests, emits receipts. */
  public ProcessorSupplier<String, RequestEvent, String, TrackingOutput> events() {
    return RuleProcessor.of(
        context -> new Tracking(attestor, context),
        (rules, record) -> rules.onEvent(record.key(), record.value()));
  }
}
