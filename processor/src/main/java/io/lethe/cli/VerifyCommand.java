package io.lethe.cli;

import io.lethe.attestation.Finding;
import io.lethe.attestation.VerificationKey;
import io.lethe.attestation.Verifier;
import io.lethe.terminal.Terminal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code lethe verify}. */
@Command(
    name = "verify",
    description = {
      "Verifies receipts and versions: signatures, digests, the chain of versions.",
      "Takes a receipt, a version, an envelope or the demo's JSON."
    },
    mixinStandardHelpOptions = true)
final class VerifyCommand implements Callable<Integer> {
  @Parameters(paramLabel = "FILE", description = "JSON to verify.")
  private Path file;

  @Option(
      names = "--key",
      paramLabel = "PEM",
      description = "Public key that is trusted; repeatable (default: the one in FILE).")
  private List<Path> keys = new ArrayList<>();

  @Override
  public Integer call() {
    Terminal terminal = Terminal.standard();
    List<Finding> findings =
        new Verifier(keys.stream().map(VerificationKey::load).toList()).verifyFile(file);
    findings.forEach(finding -> terminal.line(finding.toString()));
    return Verifier.passed(findings) ? Main.DONE : Main.NEGATIVE;
  }
}
