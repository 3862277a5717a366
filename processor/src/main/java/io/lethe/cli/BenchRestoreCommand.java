package io.lethe.cli;

import io.lethe.bench.RestoreBench;
import io.lethe.terminal.Terminal;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code lethe bench restore}. */
@Command(
    name = "restore",
    description = "Fisher diagonals after a wiped state directory, beside a read of the disk.",
    mixinStandardHelpOptions = true)
final class BenchRestoreCommand implements Callable<Integer> {
  @Option(
      names = "--mib",
      paramLabel = "N",
      description = "Diagonals in all, in MiB (default: ${DEFAULT-VALUE}).",
      defaultValue = "1024")
  private int mib;

  @Option(
      names = "--diagonal-mib",
      paramLabel = "N",
      description = "One model's diagonal, in MiB (default: ${DEFAULT-VALUE}).",
      defaultValue = "32")
  private int diagonalMib;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Stream threads (default: ${DEFAULT-VALUE}).",
      defaultValue = "1")
  private int threads;

  @Mixin private BenchCommand.KafkaOption kafka;
  @Mixin private BenchCommand.FolderOption folder;
  @Mixin private BenchCommand.JsonOption json;

  @Override
  public Integer call() throws IOException {
    json.check();
    RestoreBench.Settings settings =
        new RestoreBench.Settings(mib, diagonalMib, threads, kafka.settings(), folder.path());
    json.write(new RestoreBench(settings, Terminal.standard()).run());
    return Main.DONE;
  }
}
