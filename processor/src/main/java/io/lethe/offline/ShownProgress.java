package io.lethe.offline;

import io.lethe.events.JobStage;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Progress;
import java.time.Duration;
import java.util.Locale;
import java.util.function.LongSupplier;

/** Shows how far a computation is: share, rate and time left of each of its stages. */
public final class ShownProgress implements Progress {
  private static final double NANOS = 1e9;

  private final Terminal terminal;
  private final String training;
  private final double samplesPerStep;
  private final LongSupplier nanoTime;
  private JobStage stage;
  private long last;
  private long began;
  private long first;

  private ShownProgress(
      Terminal terminal, String training, double samplesPerStep, LongSupplier nanoTime) {
    this.terminal = terminal;
    this.training = training;
    this.samplesPerStep = samplesPerStep;
    this.nanoTime = nanoTime;
  }

  /** Of a job's stages. */
  public static ShownProgress ofJob(Terminal terminal) {
    return new ShownProgress(terminal, null, 0, System::nanoTime);
  }

  /**
   * Of a training, whose units are minibatches.
   *
   * @param what shown before the bar
   * @param samplesPerStep mean size of a minibatch
   */
  public static ShownProgress ofTraining(Terminal terminal, String what, double samplesPerStep) {
    return new ShownProgress(terminal, what, samplesPerStep, System::nanoTime);
  }

  @Override
  public void at(JobStage current, long done, long total) {
    long now = nanoTime.getAsLong();
    if (current != stage || done < last) {
      stage = current;
      began = now;
      first = done;
    }
    last = done;
    if (total > 1 || done > 0) {
      terminal.progress(
          training != null ? training : name(current),
          (double) done / total,
          detail(done, total, (now - began) / NANOS));
    }
  }

  private String detail(long done, long total, double seconds) {
    if (done == first || seconds <= 0 || total <= 1) {
      return "";
    }
    boolean steps = stage == JobStage.REPAIR && training == null;
    double rate = (done - first) / seconds * (training == null ? 1 : samplesPerStep);
    Duration left = Duration.ofSeconds(Math.round(seconds / (done - first) * (total - done)));
    return "%s %s%s"
        .formatted(
            Terminal.count(rate),
            steps ? "steps/s" : "samples/s",
            done == total ? "" : ", " + time(left) + " left");
  }

  private static String time(Duration duration) {
    return duration.toHours() > 0
        ? String.format(Locale.ROOT, "%d:%02d h", duration.toHours(), duration.toMinutesPart())
        : String.format(Locale.ROOT, "%d:%02d min", duration.toMinutes(), duration.toSecondsPart());
  }

  private static String name(JobStage stage) {
    return switch (stage) {
      case LOAD -> "loading";
      case FISHER -> "squared gradients";
      case TRAIN -> "cross-fitting";
      case METHOD -> "changing weights";
      case REPAIR -> "repairing";
      case EVALUATE -> "measuring";
      case STORE -> "storing";
    };
  }
}
