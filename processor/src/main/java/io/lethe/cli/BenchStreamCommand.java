package io.lethe.cli;

import io.lethe.bench.PendingBench;
import io.lethe.bench.StreamBench;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench stream}. */
@Command(
    name = "stream",
    description = "Deletion requests per second and their latency, beside a pass-through topology.",
    mixinStandardHelpOptions = true)
final class BenchStreamCommand implements Callable<Integer> {
  private static final int PENDING_STEPS = 10;

  @Option(
      names = "--requests",
      paramLabel = "N",
      description = "Requests of the throughput profile (default: ${DEFAULT-VALUE}).",
      defaultValue = "100000")
  private int requests;

  @Option(
      names = "--warm-up",
      paramLabel = "N",
      description =
          "Requests before those, not timed: the JIT compiler takes a core meanwhile"
              + " (default: ${DEFAULT-VALUE}).",
      defaultValue = "200000")
  private int warmUp;

  @Option(
      names = "--models",
      paramLabel = "N",
      description = "Models that they are spread over (default: ${DEFAULT-VALUE}).",
      defaultValue = "8")
  private int models;

  @Option(
      names = "--batch",
      paramLabel = "N",
      description = "Requests at which a batch fires (default: ${DEFAULT-VALUE}).",
      defaultValue = "5000")
  private int batch;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Stream threads (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int threads;

  @Option(
      names = "--commit",
      paramLabel = "MS",
      description = "Commit interval in ms, in place of the throughput profile's.")
  private Integer commit;

  @Option(
      names = "--latency-commit",
      paramLabel = "MS",
      description = "Commit interval in ms, in place of the latency profile's.")
  private Integer latencyCommit;

  @Option(
      names = "--events",
      paramLabel = "N",
      description = "Events that are timed one by one (default: ${DEFAULT-VALUE}).",
      defaultValue = "100")
  private int events;

  @Option(
      names = "--pending",
      paramLabel = "N",
      description =
          "In place of all that: rate and memory while N tasks come to wait, over the"
              + " models of --models, in ten steps.")
  private Integer pending;

  @Option(
      names = "--tasks-per-request",
      paramLabel = "N",
      description =
          "With --pending: models that were trained on the same data, so that a request"
              + " on it makes as many tasks (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int tasksPerRequest;

  @Option(
      names = "--unsigned",
      description = "Leave out the signatures of receipts, to see what they cost.")
  private boolean unsigned;

  @Mixin private BenchCommand.KafkaOption kafka;
  @Mixin private BenchCommand.FolderOption folder;
  @Mixin private BenchCommand.JsonOption json;

  @Override
  public Integer call() throws IOException {
    json.check();
    if (pending != null) {
      PendingBench.Settings settings =
          new PendingBench.Settings(
              pending,
              models,
              tasksPerRequest,
              PENDING_STEPS,
              Math.min(warmUp, pending),
              threads,
              folder.path());
      json.write(new PendingBench(settings, Terminal.standard()).run());
      return Main.DONE;
    }
    StreamBench.Settings settings =
        new StreamBench.Settings(
            requests,
            warmUp,
            models,
            batch,
            threads,
            commit == null ? null : Duration.ofMillis(commit),
            latencyCommit == null ? null : Duration.ofMillis(latencyCommit),
            events,
            !unsigned,
            kafka.settings(),
            folder.path());
    json.write(new StreamBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }
}
