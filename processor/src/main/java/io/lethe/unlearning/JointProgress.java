package io.lethe.unlearning;

import io.lethe.events.JobStage;
import java.util.concurrent.CancellationException;

/** The progress of equal parts that may run at once, told as one. */
final class JointProgress {
  private final Progress whole;
  private final int parts;
  private long done;
  private boolean cancelled;

  JointProgress(Progress whole, int parts) {
    this.whole = whole;
    this.parts = parts;
  }

  /** The progress of one part. */
  Progress part() {
    return new Progress() {
      private long before;

      @Override
      public void at(JobStage stage, long step, long steps) {
        synchronized (JointProgress.this) {
          if (cancelled) {
            throw new CancellationException("another part failed");
          }
          done += step - before;
          before = step;
          whole.at(stage, Math.min(done, parts * steps), parts * steps);
        }
      }
    };
  }

  /** Ends each part at its next step. */
  synchronized void cancel() {
    cancelled = true;
  }
}
