package io.lethe.topology;

import io.lethe.events.RequestStatus;
import io.lethe.events.SelectorKind;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Set;

/** What the rules say of one request: where it stands, and how many models it still waits for. */
final class TrackedRequest {
  /**
   * What a request is for.
   *
   * @param holder the subject, or the dataset that the samples or classes are of
   * @param names of the samples or classes; those of a subject are its lineage's
   */
  record Selected(SelectorKind kind, String holder, Set<String> names) {
    Set<String> classes() {
      return kind == SelectorKind.CLASS ? names : Set.of();
    }

    boolean isOf(String subject) {
      return kind == SelectorKind.SUBJECT && holder.equals(subject);
    }
  }

  final Selected selected;
  RequestStatus status = RequestStatus.PENDING;

  /** It matches nothing yet; intake waits for lineage or a model until its grace period ends. */
  boolean waiting;

  final Instant receivedAt;
  Instant dueAt;

  /** When the grace period began. */
  Instant since;

  /** Under a legal hold. */
  boolean held;

  boolean extended;

  /** Data and models that come later follow from it: a subject stays erased. */
  boolean binding;

  /** Something came during its hold that follows from it. */
  boolean missed;

  int followUps;

  /** Models that were asked, and what they answered. */
  int models;

  int done;
  int withdrawn;
  int retired;

  /** Some model has forgotten its samples, if only until it was retired before the retraining. */
  private boolean forgotten;

  TrackedRequest(Selected selected, Instant receivedAt, Instant since) {
    this.selected = selected;
    this.receivedAt = receivedAt;
    dueAt = monthsAfter(receivedAt, 1);
    this.since = since;
  }

  /** GDPR, Art. 12(3): one month, extendable by two. */
  static Instant monthsAfter(Instant receivedAt, int months) {
    return receivedAt.atZone(ZoneOffset.UTC).plusMonths(months).toInstant();
  }

  boolean ended() {
    return status == RequestStatus.COMPLETED
        || status == RequestStatus.CANCELLED
        || status == RequestStatus.DENIED;
  }

  /** Intake has closed it: by a denial, or by a cancel that every model granted. */
  boolean isGone() {
    return status == RequestStatus.DENIED || status == RequestStatus.CANCELLED;
  }

  /** A model has begun with it. */
  void begun() {
    if (!ended()) {
      status = RequestStatus.IN_PROGRESS;
    }
  }

  /** A model has forgotten its samples; that completes it unless the policy awaits a retraining. */
  void unlearned(boolean completes) {
    status = RequestStatus.IN_PROGRESS;
    forgotten = true;
    if (completes) {
      exact();
    }
  }

  /** A model is done with it. */
  void exact() {
    done++;
    conclude();
  }

  /** A model that had it to do is no longer there. */
  void retired() {
    retired++;
    conclude();
  }

  /** Gives the receipt once every model is done, has given it back, or is no longer there. */
  void conclude() {
    if (!ended() && done + withdrawn + retired == models) {
      boolean cancelled = !forgotten && withdrawn > 0;
      status = cancelled ? RequestStatus.CANCELLED : RequestStatus.COMPLETED;
      binding &= !cancelled;
    }
  }
}
