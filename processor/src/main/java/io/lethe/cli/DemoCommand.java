package io.lethe.cli;

import io.lethe.demo.Demo;
import io.lethe.demo.DemoData;
import io.lethe.demo.DemoReport;
import io.lethe.demo.DemoSettings;
import io.lethe.roles.EmbeddedStack;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe demo}. */
@Command(
    name = "demo",
    description = "Plays the main job in one process, from nothing to receipts.",
    mixinStandardHelpOptions = true)
final class DemoCommand implements Callable<Integer> {
  /** An event is answered within a blink; a person watches. */
  private static final Map<String, Object> QUICK =
      Map.of("lethe.stream.commit-interval", "25ms", "lethe.batching.tick", "200ms");

  @Mixin private DemoOptions demo;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the result as JSON.")
  private Path json;

  @Option(
      names = "--data",
      paramLabel = "DIR",
      description = "Keep everything there (default: a temporary folder that is deleted).")
  private Path data;

  @Override
  public Integer call() throws IOException {
    DemoSettings settings = demo.settings();
    if (json != null && Files.isDirectory(json)) {
      throw new UnusableException(json + ": is a folder, not a file to write");
    }
    DemoData material = DemoData.open(settings);
    Path folder = data != null ? data : Files.createTempDirectory("lethe-demo");
    Terminal terminal = Terminal.standard();
    try (EmbeddedStack stack =
        EmbeddedStack.start(new EmbeddedStack.Place(folder, 0, 0, 0, QUICK))) {
      DemoReport report = new Demo(settings, material, stack, folder, terminal).play();
      report.print(terminal);
      if (json != null) {
        JsonFiles.publish(json, report.toJson());
      }
      return Main.DONE;
    } finally {
      if (data == null) {
        Folders.delete(folder);
      }
    }
  }
}
