package io.lethe.attestation;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.MalformedInputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.SignatureException;
import java.security.interfaces.EdECPrivateKey;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Set;
import java.util.UUID;

/**
 * An Ed25519 key pair (RFC 8032), kept in a PKCS#8 PEM file that only its owner may read. Immutable
 * and thread-safe; the signature of a message is always the same.
 */
public final class SigningKey {
  private static final String LABEL = "PRIVATE KEY";

  private final PrivateKey privateKey;
  private final VerificationKey publicKey;

  /** Each thread's signer with the key in it: to put it in costs more than a signature. */
  private final ThreadLocal<Signature> signers;

  private SigningKey(KeyPair pair) {
    this.privateKey = pair.getPrivate();
    this.publicKey = new VerificationKey(pair.getPublic());
    this.signers = ThreadLocal.withInitial(() -> keyed(Ed25519::signature));
  }

  /**
   * Reads the key, or makes one where there is no file yet; of several processes that come at once,
   * all get the same key. The public key lies beside it: {@code key.pem} → {@code key.pub.pem}.
   *
   * @throws AttestationException if the file cannot be read or made, or holds another kind of key
   */
  public static SigningKey loadOrCreate(Path file) {
    Path path = file.toAbsolutePath();
    try {
      if (Files.notExists(path)) {
        create(path);
      }
      SigningKey key = load(path);
      key.writePublicKey(publicKeyPath(path));
      return key;
    } catch (IOException e) {
      throw new AttestationException("signing key " + path + " cannot be used: " + e, e);
    }
  }

  /** Where the public key of the signing key in {@code file} lies. */
  public static Path publicKeyPath(Path file) {
    String name = file.getFileName().toString();
    String stem = name.endsWith(".pem") ? name.substring(0, name.length() - 4) : name;
    return file.resolveSibling(stem + ".pub.pem");
  }

  /** The public half. */
  public VerificationKey publicKey() {
    return publicKey;
  }

  /** The signature of {@code message}, 64 bytes. */
  public byte[] sign(byte[] message) {
    try {
      Signature signer =
          message.length <= Ed25519.MOST_BYTES
              ? signers.get()
              : keyed(Ed25519::signatureOfAnyLength);
      signer.update(message);
      return signer.sign(); // and is ready for the next message
    } catch (SignatureException e) {
      signers.remove(); // half of a message may be left in it
      throw new IllegalStateException("Ed25519 cannot sign", e);
    }
  }

  /** Makes a signer without a key. */
  private interface Maker {
    Signature make() throws GeneralSecurityException;
  }

  private Signature keyed(Maker maker) {
    try {
      Signature signer = maker.make();
      signer.initSign(privateKey);
      return signer;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JDK lacks Ed25519", e);
    }
  }

  /** The key pair of a 32-byte seed, which RFC 8032 calls the private key. */
  static SigningKey ofSeed(byte[] seed) {
    return new SigningKey(pair(seed));
  }

  private static SigningKey load(Path path) throws IOException {
    String text;
    try {
      text = Files.readString(path);
    } catch (MalformedInputException e) {
      throw new AttestationException("signing key " + path + " is not a PEM file", e);
    }
    byte[] der =
        Pem.decode(LABEL, text)
            .orElseThrow(
                () ->
                    new AttestationException(
                        "signing key "
                            + path
                            + " has no PEM block '"
                            + LABEL
                            + "' (unencrypted PKCS#8)"));
    try {
      EdECPrivateKey key =
          (EdECPrivateKey)
              KeyFactory.getInstance("Ed25519").generatePrivate(new PKCS8EncodedKeySpec(der));
      return ofSeed(key.getBytes().orElseThrow());
    } catch (GeneralSecurityException e) {
      throw new AttestationException("signing key " + path + " is not an Ed25519 key", e);
    }
  }

  /**
   * The JDK reads a private key but does not derive the public one from it. Its generator does, so
   * it is given the seed in place of random bytes; that it took exactly these is checked.
   */
  private static KeyPair pair(byte[] seed) {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("Ed25519");
      generator.initialize(255, new FixedRandom(seed));
      KeyPair pair = generator.generateKeyPair();
      if (!Arrays.equals(((EdECPrivateKey) pair.getPrivate()).getBytes().orElseThrow(), seed)) {
        throw new IllegalStateException("this JDK makes Ed25519 keys in another way");
      }
      return pair;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JDK lacks Ed25519", e);
    }
  }

  private static void create(Path path) throws IOException {
    byte[] seed = new byte[32];
    new SecureRandom().nextBytes(seed);
    byte[] pem =
        Pem.encode(LABEL, ofSeed(seed).privateKey.getEncoded()).getBytes(StandardCharsets.US_ASCII);
    Files.createDirectories(path.getParent());
    Path temporary = path.resolveSibling("." + path.getFileName() + "." + UUID.randomUUID());
    try {
      writeDurably(temporary, pem, ownerOnly());
      try {
        // A link, not a move: a move would replace the key of a process that came first.
        Files.createLink(path, temporary);
      } catch (UnsupportedOperationException e) {
        Files.move(temporary, path);
      }
    } catch (FileAlreadyExistsException e) {
      // Another process made the key meanwhile: its key is the one.
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private void writePublicKey(Path path) throws IOException {
    String pem = publicKey.pem();
    if (Files.exists(path) && Files.readString(path, StandardCharsets.ISO_8859_1).equals(pem)) {
      return;
    }
    if (!Files.isWritable(path.getParent())) {
      return; // A key that is mounted read-only has its public half where its owner put it.
    }
    Path temporary = path.resolveSibling("." + path.getFileName() + "." + UUID.randomUUID());
    try {
      writeDurably(temporary, pem.getBytes(StandardCharsets.US_ASCII));
      Files.move(
          temporary, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
  }

  private static void writeDurably(Path path, byte[] content, FileAttribute<?>... attributes)
      throws IOException {
    try (FileChannel out =
        FileChannel.open(
            path, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attributes)) {
      for (ByteBuffer left = ByteBuffer.wrap(content); left.hasRemaining(); ) {
        out.write(left);
      }
      out.force(true);
    }
  }

  private static FileAttribute<?>[] ownerOnly() {
    return FileSystems.getDefault().supportedFileAttributeViews().contains("posix")
        ? new FileAttribute<?>[] {
          PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
        }
        : new FileAttribute<?>[0];
  }

  /** Hands out the given bytes once. */
  private static final class FixedRandom extends SecureRandom {
    private static final long serialVersionUID = 1L;

    private final byte[] bytes;

    FixedRandom(byte[] bytes) {
      this.bytes = bytes.clone();
    }

    @Override
    public void nextBytes(byte[] target) {
      if (target.length != bytes.length) {
        throw new IllegalStateException("asked for " + target.length + " bytes");
      }
      System.arraycopy(bytes, 0, target, 0, target.length);
    }
  }
}
