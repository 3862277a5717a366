package io.lethe.cli;

import io.lethe.batching.BatchingSettings;
import io.lethe.intake.IntakeSettings;
import io.lethe.terminal.Terminal;
import io.lethe.topics.Topics;
import io.lethe.topology.LetheTopology;
import io.lethe.tracking.TrackingSettings;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.UnaryOperator;
import picocli.CommandLine.Command;

/** {@code lethe topology}. */
@Command(
    name = "topology",
    description = "Prints the described topology.",
    mixinStandardHelpOptions = true)
final class TopologyCommand implements Callable<Integer> {
  @Override
  public Integer call() {
    Topics topics = new Topics("lethe.", Map.of("schema.registry.url", "mock://topology"));
    Map<String, Integer> partitions = new HashMap<>();
    topics.all().forEach(topic -> partitions.put(topic.name(), 1));
    String described =
        new LetheTopology(
                topics,
                partitions,
                IntakeSettings.DEFAULTS,
                BatchingSettings.DEFAULTS,
                TrackingSettings.DEFAULTS,
                UnaryOperator.identity(),
                UnaryOperator.identity())
            .build()
            .describe()
            .toString();
    Terminal.standard().line(described.strip());
    return Main.DONE;
  }
}
