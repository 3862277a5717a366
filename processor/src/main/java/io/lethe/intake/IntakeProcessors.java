package io.lethe.intake;

import io.lethe.events.DatasetLineage;
import io.lethe.events.DeletionRequest;
import io.lethe.events.LineageKey;
import io.lethe.events.ModelRegistered;
import io.lethe.state.RequestEvent;
import io.lethe.streams.RuleProcessor;
import io.lethe.streams.TracedContext;
import java.util.Optional;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;

/** The processors of intake: one for each input, over the same stores. */
public final class IntakeProcessors {
  private final IntakeSettings settings;

  public IntakeProcessors(IntakeSettings settings) {
    this.settings = settings;
  }

  /** Takes deletion requests and keeps the clock. */
  public ProcessorSupplier<String, DeletionRequest, String, IntakeOutput> requests() {
    return RuleProcessor.ticking(
        this::rules,
        (rules, record) -> rules.onRequest(record.value()),
        settings.tick(),
        Intake::onTick,
        Intake::close);
  }

  /** Takes lineage. */
  public ProcessorSupplier<LineageKey, DatasetLineage, String, IntakeOutput> lineage() {
    return RuleProcessor.of(
        this::rules,
        (rules, record) -> rules.onLineage(record.key(), Optional.ofNullable(record.value())));
  }

  /** Takes the broadcast of registered models. */
  public ProcessorSupplier<String, ModelRegistered, String, IntakeOutput> models() {
    return RuleProcessor.of(
        this::rules,
        (rules, record) -> rules.onModel(record.key(), Optional.ofNullable(record.value())));
  }

  /** Takes what tracking sends back. */
  public ProcessorSupplier<String, RequestEvent, String, IntakeOutput> feedback() {
    return RuleProcessor.of(this::rules, (rules, record) -> rules.onFeedback(record.value()));
  }

  private Intake rules(TracedContext<String, IntakeOutput> context) {
    return new Intake(settings, context);
  }
}
