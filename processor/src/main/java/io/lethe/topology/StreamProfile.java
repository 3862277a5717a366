package io.lethe.topology;

import java.time.Duration;

/**
 * What the streams are tuned for. Both lose and double nothing; they differ in how many records
 * share a transaction. Whatever is set under {@code kafka.} wins over either.
 *
 * <p>A request passes four transactions until its receipt (intake, batching, the job's end,
 * tracking), and each waits for its commit: hence about four times {@link #commitInterval} plus the
 * job itself. A transaction costs the broker a marker in each partition that it wrote to, some
 * sixty here, whether it held one record or ten thousand.
 */
public enum StreamProfile {
  /** Backlogs and mass imports: large transactions. A request takes half a second and more. */
  THROUGHPUT(Duration.ofMillis(100), Duration.ofMillis(25), 100),

  /** Answers within tens of milliseconds, at more transactions per record. */
  LATENCY(Duration.ofMillis(1), Duration.ofMillis(1), 0);

  private final Duration commitInterval;
  private final Duration pollInterval;
  private final int lingerMillis;

  StreamProfile(Duration commitInterval, Duration pollInterval, int lingerMillis) {
    this.commitInterval = commitInterval;
    this.pollInterval = pollInterval;
    this.lingerMillis = lingerMillis;
  }

  /** How often a transaction commits, unless {@code lethe.stream.commit-interval} is set. */
  public Duration commitInterval() {
    return commitInterval;
  }

  /**
   * How long a stream thread waits for records while it has none. It commits between two waits
   * only: with Kafka's default of 100 ms a shorter commit interval is none.
   */
  Duration pollInterval() {
    return pollInterval;
  }

  /** How long a producer waits for more records of a batch; a commit does not wait for it. */
  int lingerMillis() {
    return lingerMillis;
  }
}
