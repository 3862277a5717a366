package io.lethe.tracking;

import io.lethe.events.ErasureReceipt;
import io.lethe.state.RequestEvent;
import io.lethe.streams.RuleProcessor;
import io.lethe.streams.TracedContext;
import java.util.function.UnaryOperator;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;

/** The processors of tracking: one for each input, over the same stores. */
public final class TrackingProcessors {
  private final TrackingSettings settings;
  private final UnaryOperator<ErasureReceipt> attestor;

  /**
   * @param attestor signs a receipt whose attestation is still empty; must be deterministic
   */
  public TrackingProcessors(TrackingSettings settings, UnaryOperator<ErasureReceipt> attestor) {
    this.settings = settings;
    this.attestor = attestor;
  }

  /** Takes what intake says about requests, and keeps the clock. */
  public ProcessorSupplier<String, RequestEvent, String, TrackingOutput> intakeEvents() {
    return RuleProcessor.ticking(
        this::rules,
        (rules, record) -> rules.onEvent(record.key(), record.value()),
        settings.tick(),
        Tracking::onTick);
  }

  /** Takes what models say about requests. */
  public ProcessorSupplier<String, RequestEvent, String, TrackingOutput> batchingEvents() {
    return RuleProcessor.of(
        this::rules, (rules, record) -> rules.onEvent(record.key(), record.value()));
  }

  private Tracking rules(TracedContext<String, TrackingOutput> context) {
    return new Tracking(settings, attestor, context);
  }
}
