package io.lethe.registry;

import io.lethe.embedded.EmbeddedBroker;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;

/** A broker and a registry in a process of their own, for tests that kill it. */
final class EmbeddedStack implements AutoCloseable {
  private final Process process;
  private final String bootstrapServers;
  private final String registryUrl;

  private EmbeddedStack(Process process, String bootstrapServers, String registryUrl) {
    this.process = process;
    this.bootstrapServers = bootstrapServers;
    this.registryUrl = registryUrl;
  }

  static EmbeddedStack start(Path directory) throws IOException {
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    Process process =
        new ProcessBuilder(
                List.of(
                    java.toString(),
                    "-Xmx128m",
                    "-XX:+UseSerialGC",
                    "-cp",
                    System.getProperty("java.class.path").replace("\n", File.pathSeparator),
                    EmbeddedStack.class.getName(),
                    directory.toString()))
            .redirectError(ProcessBuilder.Redirect.INHERIT)
            .start();
    BufferedReader out =
        new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
    for (String line = out.readLine(); line != null; line = out.readLine()) {
      if (line.startsWith("READY ")) {
        String[] words = line.split(" ");
        return new EmbeddedStack(process, words[1], words[2]);
      }
    }
    throw new IOException("The embedded stack ended with " + process.onExit().join().exitValue());
  }

  String bootstrapServers() {
    return bootstrapServers;
  }

  String registryUrl() {
    return registryUrl;
  }

  long pid() {
    return process.pid();
  }

  /** kill -9, and waits until the process is gone. */
  @Override
  public void close() {
    process.destroyForcibly().onExit().join();
  }

  public static void main(String[] args) throws Exception {
    EmbeddedBroker broker = EmbeddedBroker.start(Path.of(args[0]), 0);
    EmbeddedSchemaRegistry registry = EmbeddedSchemaRegistry.start(broker.bootstrapServers(), 0);
    System.out.println("READY " + broker.bootstrapServers() + " " + registry.url());
    Thread.currentThread().join();
  }
}
