package io.lethe.attestation;

import io.lethe.artifact.Sha256;
import java.io.IOException;
import java.nio.charset.MalformedInputException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PublicKey;
import java.security.Signature;
import java.security.SignatureException;
import java.security.spec.X509EncodedKeySpec;

/** An Ed25519 public key (RFC 8032). Immutable and thread-safe. */
public final class VerificationKey {
  private static final String LABEL = "PUBLIC KEY";

  private final PublicKey key;
  private final String id;

  VerificationKey(PublicKey key) {
    this.key = key;
    this.id = Sha256.of(key.getEncoded());
  }

  /**
   * Reads a PEM file with a SubjectPublicKeyInfo block.
   *
   * @throws AttestationException if it cannot be read, or holds another kind of key
   */
  public static VerificationKey load(Path file) {
    try {
      return parse(Files.readString(file), file.toString());
    } catch (NoSuchFileException e) {
      throw new AttestationException("public key " + file + " is missing");
    } catch (MalformedInputException e) {
      throw new AttestationException("public key " + file + " is not a PEM file");
    } catch (IOException e) {
      throw new AttestationException("public key " + file + " cannot be read: " + e, e);
    }
  }

  /**
   * Reads a PEM text.
   *
   * @param where what to call the text in an error
   * @throws AttestationException if it holds no Ed25519 public key
   */
  static VerificationKey parse(String pem, String where) {
    byte[] der =
        Pem.decode(LABEL, pem)
            .orElseThrow(
                () ->
                    new AttestationException(
                        "public key " + where + " has no PEM block '" + LABEL + "'"));
    return new VerificationKey(fromSpki(der, where));
  }

  static PublicKey fromSpki(byte[] der, String where) {
    try {
      return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(der));
    } catch (GeneralSecurityException e) {
      throw new AttestationException("public key " + where + " is not an Ed25519 key", e);
    }
  }

  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  public String id() {
    return id;
  }

  /** The key as a PEM text. */
  public String pem() {
    return Pem.encode(LABEL, key.getEncoded());
  }

  /** Whether {@code signature} is this key's signature of {@code message}. */
  public boolean verify(byte[] message, byte[] signature) {
    try {
      Signature verifier = Signature.getInstance("Ed25519");
      verifier.initVerify(key);
      verifier.update(message);
      return verifier.verify(signature);
    } catch (SignatureException e) {
      return false; // Not even the form of a signature.
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JDK lacks Ed25519", e);
    }
  }
}
