package io.lethe.attestation;

import io.lethe.artifact.ArtifactException;
import io.lethe.artifact.ArtifactStores;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelVersion;
import io.lethe.json.JsonRecords;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Checks attestations: the signature, that the statement says what the record says, the artifact's
 * digest where the artifact can be read from here, and that versions and receipts fit together.
 *
 * <p>Records are taken as untrusted input: whatever is wrong with one is a finding, not an
 * exception. Immutable and thread-safe.
 */
public final class Verifier {
  private final List<VerificationKey> trusted;

  /**
   * @param trusted keys whose signatures count; when empty, a file is verified against the public
   *     key that it brings along, and a finding says what that is worth
   */
  public Verifier(List<VerificationKey> trusted) {
    this.trusted = List.copyOf(trusted);
  }

  /** Verifies one version, as read from its topic. */
  public List<Finding> verify(ModelVersion version) {
    return verify(
        List.of(Exhibit.ofRecord(RecordKind.MODEL_VERSION, JsonRecords.toJson(version))), trusted);
  }

  /** Verifies one receipt, as read from its topic. */
  public List<Finding> verify(ErasureReceipt receipt) {
    return verify(
        List.of(Exhibit.ofRecord(RecordKind.ERASURE_RECEIPT, JsonRecords.toJson(receipt))),
        trusted);
  }

  /**
   * Verifies a JSON file: an envelope, a version or a receipt; an array of these; or an object with
   * arrays {@code versions} and {@code receipts}, and optionally the PEM text {@code publicKey}.
   *
   * @throws AttestationException if the file cannot be read, holds nothing to verify, or there is
   *     no key to verify it with
   */
  public List<Finding> verifyFile(Path file) {
    Exhibits exhibits = Exhibits.read(file);
    List<Finding> findings = new ArrayList<>();
    List<VerificationKey> keys = trusted;
    if (keys.isEmpty()) {
      VerificationKey own =
          exhibits
              .publicKey()
              .orElseThrow(
                  () ->
                      new AttestationException(file + " brings no public key: give the signer's"));
      keys = List.of(own);
      findings.add(
          Finding.note(
              "key " + own.id(),
              "taken from the file itself: shows that nothing was changed since it was signed, not"
                  + " who signed it"));
    }
    findings.addAll(verify(exhibits.items(), keys));
    return findings;
  }

  /** Whether nothing is wrong. */
  public static boolean passed(List<Finding> findings) {
    return findings.stream().noneMatch(finding -> finding.level() == Finding.Level.WRONG);
  }

  private static List<Finding> verify(List<Exhibit> exhibits, List<VerificationKey> keys) {
    List<Finding> findings = new ArrayList<>();
    for (Exhibit exhibit : exhibits) {
      try {
        findings.addAll(checkStatement(exhibit, keys));
      } catch (AttestationException e) {
        findings.add(Finding.wrong(exhibit.label(), e.getMessage()));
      }
      if (exhibit.kind() == RecordKind.MODEL_VERSION) {
        findings.add(checkArtifact(exhibit));
      }
    }
    findings.addAll(Consistency.check(exhibits));
    return findings;
  }

  private static List<Finding> checkStatement(Exhibit exhibit, List<VerificationKey> keys) {
    Envelope envelope = exhibit.envelope();
    String where = exhibit.label();
    List<Finding> findings = new ArrayList<>();
    keys.stream()
        .filter(envelope::isSignedBy)
        .findFirst()
        .ifPresentOrElse(
            key -> findings.add(Finding.ok(where, "signed by key " + key.id())),
            () -> findings.add(Finding.wrong(where, noSignature(envelope, keys))));
    Statement statement = Statement.of(envelope);
    if (statement.kind() != exhibit.kind()) {
      findings.add(Finding.wrong(where, "the statement is one on a " + statement.kind().noun()));
      return findings;
    }
    List<String> differences =
        RecordComparison.differences(exhibit.kind(), exhibit.record(), statement.predicate());
    differences.forEach(difference -> findings.add(Finding.wrong(where, difference)));
    if (differences.isEmpty()) {
      findings.add(Finding.ok(where, "the record says what the statement says"));
    }
    return findings;
  }

  /** The key ids in an envelope are hints: they tell a wrong key from a wrong signature. */
  private static String noSignature(Envelope envelope, List<VerificationKey> keys) {
    List<String> known = keys.stream().map(VerificationKey::id).toList();
    List<String> claimed =
        envelope.signatures().stream().map(Envelope.Seal::keyId).distinct().toList();
    return claimed.stream().anyMatch(known::contains)
        ? "the signature is wrong: the statement was changed after it was signed"
        : "not signed by key "
            + String.join(" or ", known)
            + "; it names key "
            + String.join(" and ", claimed);
  }

  private static Finding checkArtifact(Exhibit version) {
    String uri = version.record().path("artifactUri").asText();
    try {
      ArtifactStores.check(
          ArtifactStores.location(uri), version.record().path("artifactSha256").asText());
      return Finding.ok(version.label(), "the artifact has the stated digest");
    } catch (ArtifactException e) {
      return e.reason() == ArtifactException.Reason.CORRUPT
          ? Finding.wrong(version.label(), e.getMessage())
          : Finding.note(version.label(), "artifact not checked: " + e.getMessage());
    }
  }
}
