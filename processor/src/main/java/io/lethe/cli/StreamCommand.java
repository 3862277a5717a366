package io.lethe.cli;

import io.lethe.roles.Roles;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code lethe stream}. */
@Command(
    name = "stream",
    description = "Runs the topology and its API against the Kafka that the configuration names.",
    mixinStandardHelpOptions = true)
final class StreamCommand implements Callable<Integer> {
  @Override
  public Integer call() throws InterruptedException {
    Stop.onShutdown(Roles.STREAM.start(Map.of()));
    Thread.currentThread().join();
    return Main.DONE;
  }
}
