package io.lethe.cli;

import io.lethe.roles.Roles;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;

/** {@code lethe worker}. */
@Command(
    name = "worker",
    description = "Takes unlearning jobs from the Kafka that the configuration names.",
    mixinStandardHelpOptions = true)
final class WorkerCommand implements Callable<Integer> {
  @Override
  public Integer call() throws InterruptedException {
    Stop.onShutdown(Roles.WORKER.start(Map.of()));
    Thread.currentThread().join();
    return Main.DONE;
  }
}
