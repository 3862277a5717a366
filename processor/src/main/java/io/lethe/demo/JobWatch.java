package io.lethe.demo;

import io.lethe.events.JobKind;
import io.lethe.events.JobOutcome;
import io.lethe.events.JobProgress;
import io.lethe.events.JobStage;
import io.lethe.terminal.Terminal;
import io.lethe.topics.KafkaSettings;
import io.lethe.topics.TopicReader;
import io.lethe.topics.Topics;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/** Follows jobs on their topics: shows their progress, waits for their end. */
final class JobWatch implements AutoCloseable {
  private static final Duration POLL = Duration.ofMillis(100);

  private final Terminal terminal;
  private final TopicReader<String, JobProgress> progress;
  private final TopicReader<String, JobOutcome> outcomes;
  private final List<JobOutcome> ended = new ArrayList<>();

  JobWatch(KafkaSettings kafka, Topics topics, Terminal terminal) {
    this.terminal = terminal;
    this.progress = new TopicReader<>(kafka, topics.jobProgress());
    this.outcomes = new TopicReader<>(kafka, topics.jobOutcomes());
  }

  /**
   * Shows progress until so many jobs of a kind have ended; what failed and is offered again does
   * not count.
   *
   * @return the last of them
   * @throws IllegalStateException when they do not end in time
   */
  JobOutcome await(JobKind kind, int count, Duration patience) {
    long deadline = System.nanoTime() + patience.toNanos();
    while (System.nanoTime() < deadline) {
      progress.poll(POLL).forEach(event -> show(event.value()));
      outcomes.poll(Duration.ZERO).forEach(event -> ended.add(event.value()));
      List<JobOutcome> last =
          ended.stream()
              .filter(outcome -> outcome.getKind() == kind && outcome.getError().isEmpty())
              .toList();
      if (last.size() >= count) {
        return last.get(last.size() - 1);
      }
      ended.stream()
          .filter(outcome -> outcome.getError().isPresent() && !outcome.getRetryable())
          .findFirst()
          .ifPresent(
              outcome -> {
                throw new DemoHeldException("a job failed: " + outcome.getError().get());
              });
    }
    throw new IllegalStateException("no job ended in " + patience);
  }

  private void show(JobProgress event) {
    terminal.progress(
        name(event.getStage()),
        event.getFraction(),
        event.getSamplesPerSecond().map(rate -> Terminal.count(rate) + "/s").orElse(""));
  }

  private static String name(JobStage stage) {
    return switch (stage) {
      case LOAD -> "loading";
      case FISHER -> "squared gradients";
      case TRAIN -> "cross-fitting";
      case METHOD -> "selecting weights";
      case REPAIR -> "repairing";
      case EVALUATE -> "measuring";
      case STORE -> "storing";
    };
  }

  @Override
  public void close() {
    progress.close();
    outcomes.close();
  }
}
