package io.lethe.cli;

import io.lethe.demo.Demo;
import io.lethe.demo.DemoData;
import io.lethe.roles.EmbeddedStack;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe up}. */
@Command(
    name = "up",
    description = "Runs broker, registry, stream and worker as one durable service on loopback.",
    mixinStandardHelpOptions = true)
final class UpCommand implements Callable<Integer> {
  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "Where everything is kept (default: ${DEFAULT-VALUE}).",
      defaultValue = "data")
  private Path data;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      description = "API (default: ${DEFAULT-VALUE}).",
      defaultValue = "8080")
  private int port;

  @Option(
      names = "--kafka-port",
      paramLabel = "PORT",
      description = "Broker (default: ${DEFAULT-VALUE}).",
      defaultValue = "9092")
  private int kafkaPort;

  @Option(
      names = "--registry-port",
      paramLabel = "PORT",
      description = "Schema registry (default: ${DEFAULT-VALUE}).",
      defaultValue = "8081")
  private int registryPort;

  @Option(names = "--demo", description = "Also play the demo into it, and stay up.")
  private boolean playDemo;

  @Mixin private DemoOptions demo;

  @Override
  public Integer call() throws IOException, InterruptedException {
    Terminal terminal = Terminal.standard();
    Optional<DemoData> material =
        playDemo ? Optional.of(DemoData.open(demo.settings())) : Optional.empty();
    EmbeddedStack stack =
        EmbeddedStack.start(new EmbeddedStack.Place(data, port, kafkaPort, registryPort, Map.of()));
    Stop.onShutdown(stack);
    terminal.line("Kafka            " + stack.bootstrapServers());
    terminal.line("Schema registry  " + stack.registryUrl());
    terminal.line("API              " + stack.api() + "  (/health, /prometheus, /v1)");
    terminal.line("Data             " + data.toAbsolutePath().normalize());
    if (material.isPresent()) {
      new Demo(demo.settings(), material.get(), stack, data, terminal).play().print(terminal);
    }
    terminal.line("Up. Ctrl-C stops.");
    Thread.currentThread().join();
    return Main.DONE;
  }
}
