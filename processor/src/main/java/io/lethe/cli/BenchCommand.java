package io.lethe.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code lethe bench}, and what its commands share. */
@Command(
    name = "bench",
    description = "Measures the program on this machine.",
    mixinStandardHelpOptions = true,
    subcommands = {
      BenchFisherCommand.class,
      BenchStreamCommand.class,
      BenchRestoreCommand.class,
      BenchEraseCommand.class,
      BenchSequenceCommand.class,
    })
final class BenchCommand {
  /** Which disk is measured on. */
  static final class FolderOption {
    @Option(
        names = "--data",
        paramLabel = "DIR",
        description = "Folder on the disk to measure on (default: the system's temporary one).")
    private Path folder = Path.of(System.getProperty("java.io.tmpdir"));

    Path path() {
      if (!Files.isDirectory(folder) || !Files.isWritable(folder)) {
        throw new UnusableException(folder + ": no such folder, or not writable");
      }
      return folder;
    }
  }

  /** Kafka's own settings. */
  static final class KafkaOption {
    @Option(
        names = "--kafka",
        paramLabel = "NAME=VALUE",
        description = "A setting of Kafka's over the program's own; repeatable.")
    private Map<String, String> settings = Map.of();

    Map<String, String> settings() {
      return settings;
    }
  }

  /** Where the figures go besides the terminal. */
  static final class JsonOption {
    @Option(names = "--json", paramLabel = "FILE", description = "Also write the figures as JSON.")
    private Path file;

    void check() {
      JsonFiles.requireWritable(file);
    }

    void write(ObjectNode figures) throws IOException {
      if (file != null) {
        JsonFiles.publish(file, figures);
      }
    }
  }
}
