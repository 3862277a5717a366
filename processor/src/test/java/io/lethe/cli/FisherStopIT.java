package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.lethe.model.TorchScriptFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code lethe fisher} in a process of its own: stopped, and with a library that is not its own.
 */
@EnabledOnOs(OS.LINUX)
class FisherStopIT {
  /** As a shell says of a program that SIGINT ended. */
  private static final int INTERRUPTED = 130;

  /** One sample at a time: about a minute of work. */
  private static final String LONG = "synthetic:digits?samples=60000&side=8&classes=3&seed=3";

  @TempDir Path directory;
  private Path out;
  private Path log;
  private Process process;

  @BeforeEach
  void folders() throws IOException {
    out = Files.createDirectory(directory.resolve("out"));
    log = directory.resolve("log");
  }

  @AfterEach
  void stop() throws Exception {
    if (process != null) {
      process.destroyForcibly().waitFor(10, TimeUnit.SECONDS);
    }
  }

  private Process fisher(Map<String, String> environment) throws IOException {
    List<String> command = new ArrayList<>();
    // A build in the background of a shell ignores SIGINT, and so would its children.
    command.addAll(List.of("env", "--default-signal=INT"));
    command.addAll(
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m",
            "-Dai.djl.offline=true",
            "-cp",
            System.getProperty("java.class.path"),
            "io.lethe.cli.Main",
            "fisher",
            "--model",
            TorchScriptFiles.file("computed-float64.pt").toString(),
            "--dataset",
            LONG,
            "--out",
            out.resolve("f.safetensors").toString()));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    builder.environment().putAll(environment);
    return builder.start();
  }

  private List<Path> files() throws IOException {
    try (Stream<Path> files = Files.list(out)) {
      return files.toList();
    }
  }

  @Test
  void aCommandThatIsInterruptedLeavesNoFile() throws Exception {
    // Given
    process = fisher(Map.of());
    await().atMost(Duration.ofMinutes(2)).until(() -> !files().isEmpty() || !process.isAlive());
    assertThat(process.isAlive()).as(Files.readString(log)).isTrue();

    // When
    new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();

    // Then
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isEqualTo(INTERRUPTED);
    assertThat(files()).isEmpty();
  }

  @Test
  void aLibraryOfAnotherVersionIsOneLineAndNoCrash() throws Exception {
    // Given
    Path lib = Files.createDirectories(directory.resolve("torch/lib"));
    Files.writeString(lib.resolve(System.mapLibraryName("torch_cpu")), "never loaded");
    Files.writeString(directory.resolve("torch/build-version"), "2.5.1+cu124");

    // When
    process = fisher(Map.of("PYTORCH_LIBRARY_PATH", lib.toString()));

    // Then
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(process.exitValue()).isEqualTo(2);
    assertThat(Files.readString(log).lines().filter(line -> line.startsWith("lethe: ")))
        .singleElement()
        .asString()
        .contains(lib.toString(), "2.5.1", "2.7.1");
    assertThat(files()).isEmpty();
  }
}
