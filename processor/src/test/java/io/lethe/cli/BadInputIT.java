package io.lethe.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.lethe.privacy.PseudonymKey;
import io.lethe.roles.EmbeddedStack;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** What cannot be used is one line on what and where, and exit code 2. */
class BadInputIT {
  @TempDir Path directory;

  /** Exit code and what was said. */
  private record Answer(int code, String said) {}

  private static Answer run(String... args) {
    StringWriter said = new StringWriter();
    CommandLine command = Main.commandLine().setErr(new PrintWriter(said, true));
    int code = command.execute(args);
    return new Answer(code, said.toString());
  }

  private static void assertOneLine(Answer answer, String... parts) {
    assertThat(answer.code()).isEqualTo(2);
    assertThat(answer.said().strip()).doesNotContain("\n").startsWith("lethe: ").contains(parts);
  }

  @Test
  void aDatasetPathThatIsNotThere() {
    assertOneLine(run("demo", "--dataset", "idx:" + directory.resolve("nowhere")), "nowhere");
  }

  @Test
  void aLineageFileThatIsNoCsv() throws Exception {
    Path file = Files.write(directory.resolve("lineage.csv"), new byte[] {1, 2, 3});

    assertOneLine(run("demo", "--lineage", file.toString()), file.toString());
  }

  @Test
  void anUnknownOption() {
    Answer answer = run("demo", "--no-such-option");

    assertThat(answer.code()).isEqualTo(2);
    assertThat(answer.said()).contains("--no-such-option").doesNotContain("Exception");
  }

  @Test
  void aFileToVerifyThatIsNotJson() throws Exception {
    Path file = Files.writeString(directory.resolve("receipt.json"), "no json");

    assertOneLine(run("verify", file.toString()), file.toString());
  }

  @Test
  void aPseudonymKeyThatIsNotThere() {
    Path key = directory.resolve("no.key");

    assertOneLine(
        run("request", "submit", "--subject", "someone", "--pseudonym-key", key.toString()),
        key.toString());
    assertThat(key).doesNotExist();
  }

  @Test
  void aBrokerThatDoesNotAnswer() throws Exception {
    Path key = directory.resolve("pseudonym.key");
    PseudonymKey.loadOrCreate(key);

    assertOneLine(
        run(
            "request",
            "submit",
            "--subject",
            "someone",
            "--bootstrap-server",
            "127.0.0.1:1",
            "--pseudonym-key",
            key.toString()),
        "127.0.0.1:1");
  }

  @Test
  void aSecondProcessOnADataDirectoryAndAnOccupiedPort() throws Exception {
    Path data = directory.resolve("data");
    EmbeddedStack.Place place = new EmbeddedStack.Place(data, 0, 0, 0, Map.of());
    try (EmbeddedStack first = EmbeddedStack.start(place);
        ServerSocket occupied = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      String port = Integer.toString(occupied.getLocalPort());

      assertOneLine(
          run("up", "--data", data.toString(), "--port", "0", "--kafka-port", "0"),
          data.toString());
      String other = directory.resolve("other").toString();
      assertOneLine(run("up", "--data", other, "--port", port), port);
      assertOneLine(run("up", "--data", other, "--port", "0", "--kafka-port", port), port);
      assertOneLine(
          run("up", "--data", other, "--port", "0", "--kafka-port", "0", "--registry-port", port),
          port);
      assertThat(first.context().isRunning()).isTrue();
    }
  }
}
