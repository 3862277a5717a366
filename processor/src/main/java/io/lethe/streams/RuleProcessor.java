package io.lethe.streams;

import io.lethe.topics.TraceContext;
import java.time.Duration;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.function.Function;
import org.apache.kafka.streams.processor.Cancellable;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.ProcessorSupplier;
import org.apache.kafka.streams.processor.api.Record;

/**
 * One input of a sub-topology. The rules are a plain object over the context's stores; each input
 * makes its own, and they meet in the stores.
 *
 * @param <R> the rules
 * @param <O> what they forward
 */
public final class RuleProcessor<R, K, V, O> extends ContextualProcessor<K, V, String, O> {
  private final Function<TracedContext<String, O>, R> rulesOf;
  private final BiConsumer<R, Record<K, V>> step;
  private final Duration tick;
  private final Consumer<R> onTick;
  private final Consumer<R> onClose;
  private TracedContext<String, O> traced;
  private R rules;
  private Cancellable ticks;

  private RuleProcessor(
      Function<TracedContext<String, O>, R> rulesOf,
      BiConsumer<R, Record<K, V>> step,
      Duration tick,
      Consumer<R> onTick,
      Consumer<R> onClose) {
    this.rulesOf = rulesOf;
    this.step = step;
    this.tick = tick;
    this.onTick = onTick;
    this.onClose = onClose;
  }

  /** An input that takes one step for each record. */
  public static <R, K, V, O> ProcessorSupplier<K, V, String, O> of(
      Function<TracedContext<String, O>, R> rulesOf, BiConsumer<R, Record<K, V>> step) {
    return () -> new RuleProcessor<>(rulesOf, step, null, null, rules -> {});
  }

  /** An input that also keeps the wall clock for its sub-topology. */
  public static <R, K, V, O> ProcessorSupplier<K, V, String, O> ticking(
      Function<TracedContext<String, O>, R> rulesOf,
      BiConsumer<R, Record<K, V>> step,
      Duration tick,
      Consumer<R> onTick) {
    return ticking(rulesOf, step, tick, onTick, rules -> {});
  }

  /** As above, with an end: the partition has moved, or starts anew. */
  public static <R, K, V, O> ProcessorSupplier<K, V, String, O> ticking(
      Function<TracedContext<String, O>, R> rulesOf,
      BiConsumer<R, Record<K, V>> step,
      Duration tick,
      Consumer<R> onTick,
      Consumer<R> onClose) {
    return () -> new RuleProcessor<>(rulesOf, step, tick, onTick, onClose);
  }

  @Override
  public void init(ProcessorContext<String, O> context) {
    super.init(context);
    traced = new TracedContext<>(context);
    rules = rulesOf.apply(traced);
    if (tick != null) {
      ticks = context.schedule(tick, PunctuationType.WALL_CLOCK_TIME, now -> onTick.accept(rules));
    }
  }

  /** A task that is revived schedules again: what it had scheduled before must not go on. */
  @Override
  public void close() {
    if (ticks != null) {
      ticks.cancel();
    }
    if (rules != null) {
      onClose.accept(rules);
    }
  }

  @Override
  public void process(Record<K, V> record) {
    traced.process(TraceContext.of(record.headers()));
    try {
      step.accept(rules, record);
    } finally {
      traced.process(TraceContext.NONE);
    }
  }
}
