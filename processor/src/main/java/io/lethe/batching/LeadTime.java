package io.lethe.batching;

import io.lethe.events.CompletionStage;
import io.lethe.state.ModelState;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * How long before the nearest due date a batch fires, learned from the model's own jobs.
 *
 * <p>The rule: twice the longest of the last 8 jobs, from firing to release, so that a job may fail
 * at its very end and run once more; at least {@code minLead}, at most {@code maxLead}. A model
 * without past jobs takes {@code maxLead}: to be early costs a smaller batch, to be late a breach.
 * The longest and not a mean or a quantile: of 8 durations there is no better bound, and one slow
 * job leaves the window after 8 more.
 */
final class LeadTime {
  private static final int WINDOW = 8;
  private static final int RUNS = 2;

  private LeadTime() {}

  /** Of a batch. Where a request is complete only with the next anchor, that has to fit too. */
  static Duration of(ModelState state, BatchingSettings settings) {
    Duration batch = of(state.getJobMillis(), settings);
    boolean exact = state.getRegistration().getPolicy().getCompletion() == CompletionStage.EXACT;
    return exact ? batch.plus(ofRetraining(state, settings)) : batch;
  }

  /** Of a retraining. */
  static Duration ofRetraining(ModelState state, BatchingSettings settings) {
    return of(state.getRetrainMillis(), settings);
  }

  private static Duration of(List<Long> millis, BatchingSettings settings) {
    if (millis.isEmpty()) {
      return settings.maxLead();
    }
    Duration learned = Duration.ofMillis(Collections.max(millis)).multipliedBy(RUNS);
    if (learned.compareTo(settings.minLead()) < 0) {
      return settings.minLead();
    }
    return learned.compareTo(settings.maxLead()) > 0 ? settings.maxLead() : learned;
  }

  /** The last jobs with the one that ended now. */
  static List<Long> learn(List<Long> last, ModelState state, Instant now) {
    List<Long> millis = new ArrayList<>(last);
    millis.add(Duration.between(state.getFiredAt().orElseThrow(), now).toMillis());
    return millis.size() > WINDOW
        ? List.copyOf(millis.subList(millis.size() - WINDOW, millis.size()))
        : millis;
  }
}
