package io.lethe.privacy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Set;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Turns the identity of a data subject into the {@code subjectId} of the topics: HMAC-SHA-256 with
 * a secret key, base64url without padding. Producers that write to the topics themselves must do
 * the same with the same key. Thread-safe.
 *
 * <p>Whoever holds the key can find a known person's records; without it the topics name nobody.
 */
public final class PseudonymKey {
  private static final String ALGORITHM = "HmacSHA256";
  private static final int KEY_BYTES = 32;

  private final SecretKeySpec key;

  private PseudonymKey(byte[] key) {
    this.key = new SecretKeySpec(key, ALGORITHM);
  }

  /**
   * Reads the key from a file of 64 hex digits.
   *
   * @throws IllegalArgumentException when the file is missing or unusable: with another key nobody
   *     would be found
   */
  public static PseudonymKey load(Path file) {
    if (!Files.exists(file)) {
      throw new IllegalArgumentException(
          file + ": no pseudonym key there; name the one that the lineage was published with");
    }
    return loadOrCreate(file);
  }

  /**
   * Reads the key from a file of 64 hex digits, or makes one that only the owner may read.
   *
   * @throws IllegalArgumentException when the file is unusable
   */
  public static PseudonymKey loadOrCreate(Path file) {
    try {
      if (!Files.exists(file)) {
        create(file);
      }
      String hex = Files.readString(file, StandardCharsets.US_ASCII).strip();
      if (hex.length() != 2 * KEY_BYTES) {
        throw new IllegalArgumentException(file + ": not a pseudonym key of 64 hex digits");
      }
      return new PseudonymKey(HexFormat.of().parseHex(hex));
    } catch (IOException e) {
      throw new IllegalArgumentException("cannot use the pseudonym key " + file, e);
    }
  }

  /** The pseudonym of an identity. */
  public String pseudonym(String identity) {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(key);
      byte[] digest = mac.doFinal(identity.getBytes(StandardCharsets.UTF_8));
      return Base64.getUrlEncoder().withoutPadding().encodeToString(digest);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("every JDK has " + ALGORITHM, e);
    }
  }

  private static void create(Path file) throws IOException {
    byte[] key = new byte[KEY_BYTES];
    new SecureRandom().nextBytes(key);
    Path folder = file.toAbsolutePath().getParent();
    Files.createDirectories(folder);
    Path draft = Files.createTempFile(folder, "pseudonym", ".tmp", ownerOnly());
    try {
      Files.writeString(
          draft,
          HexFormat.of().formatHex(key) + '\n',
          StandardCharsets.US_ASCII,
          StandardOpenOption.WRITE);
      Files.createLink(file, draft); // atomic, and fails when another process was faster
    } catch (FileAlreadyExistsException e) {
      return; // the other's key is the key
    } finally {
      Files.deleteIfExists(draft);
    }
  }

  private static FileAttribute<?> ownerOnly() {
    return PosixFilePermissions.asFileAttribute(
        Set.copyOf(PosixFilePermissions.fromString("rw-------")));
  }
}
