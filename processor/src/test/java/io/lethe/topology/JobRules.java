package io.lethe.topology;

import io.lethe.state.Phase;
import java.time.Duration;
import java.time.Instant;
import java.util.Set;
import java.util.TreeSet;

/** What the rules say of a model's one job: what it is for, its offers, and what has arrived. */
final class JobRules {
  private static final Duration TIMEOUT = Duration.ofHours(1);
  private static final int MAX_ATTEMPTS = 2;

  /** Whether an anchor is ready only once held-out targets are here. */
  private final boolean wantsTargets;

  /** By which one job is told from the next; not from another offer of the same. */
  int number;

  /** What the model does while the job runs: anchoring, unlearning or retraining. */
  Phase kind = Phase.ANCHORING;

  final Erased forgets = new Erased();

  /** Of all jobs, since the model's first. */
  int offers;

  /** Failed, and to be offered again after a while. */
  boolean backingOff;

  /** A person has released the model that the job had made, whatever the gate says. */
  boolean overridden;

  private int failures;
  private Instant begunAt;
  private Instant offeredAt;

  /** What is here of the job's updates. */
  private final Set<String> arrived = new TreeSet<>();

  /** All chunks were, with their commit marker: the update is in the sums. */
  boolean summed;

  /** All held-out targets were, with their commit marker. */
  private boolean predicted;

  /** The outcome of the last offer is here, and waits for the updates. */
  boolean reported;

  JobRules(boolean wantsTargets) {
    this.wantsTargets = wantsTargets;
  }

  void start(Phase kind, Erased forgets, Instant now) {
    this.kind = kind;
    number++;
    narrow(forgets);
    goOn(false, now);
  }

  /** Another job for what is left of the batch. */
  void narrow(Erased left) {
    forgets.clear();
    forgets.addAll(left);
    arrived.clear();
    summed = false;
    predicted = false;
  }

  /** By a person's word. */
  void goOn(boolean override, Instant now) {
    overridden = override;
    failures = 0;
    begunAt = now;
    offer(now);
  }

  private void offer(Instant now) {
    offers++;
    backingOff = false;
    reported = false;
    offeredAt = now;
  }

  /** It waits for a person. */
  void stop() {
    backingOff = false;
    reported = false;
  }

  /**
   * A record of an update. Fisher chunks wait for each other, and for the marker that says how many
   * they are; so do the pieces of held-out targets.
   */
  void arrives(String record) {
    switch (record) {
      case PlayedWorker.FISHER_COMMIT -> summed |= arrived.containsAll(PlayedWorker.CHUNKS);
      case PlayedWorker.TARGETS_COMMIT -> predicted |= arrived.containsAll(PlayedWorker.TARGETS);
      default -> arrived.add(record);
    }
  }

  /** How long it has taken, without the time that a person took. */
  Duration age(Instant now) {
    return Duration.between(begunAt, now);
  }

  /** Whether its outcome and all that goes with it are here. */
  boolean isWhole() {
    boolean updated =
        switch (kind) {
          case ANCHORING -> summed && (predicted || !wantsTargets);
          case UNLEARNING -> summed;
          default -> true; // the model that a retraining has made is all there is
        };
    return reported && updated;
  }

  /** Whether some run of it did its work. */
  boolean isDone() {
    return reported || summed;
  }

  /** Whether no attempt is left after one that failed; else it is offered again after a while. */
  boolean failsForGood() {
    failures++;
    backingOff = failures < MAX_ATTEMPTS;
    return !backingOff;
  }

  /** Offers it again where it failed or was lost; true: it was lost too often. */
  boolean isLostForGood(Instant now) {
    if (backingOff) {
      offer(now);
    } else if (!offeredAt.plus(TIMEOUT).isAfter(now)) {
      failures++; // a lost offer counts as an attempt
      if (failures >= MAX_ATTEMPTS) {
        return true;
      }
      offer(now);
    }
    return false;
  }
}
