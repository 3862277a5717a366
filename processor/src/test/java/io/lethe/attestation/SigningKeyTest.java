package io.lethe.attestation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPairGenerator;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SigningKeyTest {
  @TempDir private Path directory;

  /** RFC 8032, section 7.1, tests 1 to 3. */
  @ParameterizedTest
  @CsvSource({
    "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60,"
        + "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a,"
        + "'',"
        + "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        + "f9b46bd25bf5f0595bbe24655141438e7a100b",
    "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb,"
        + "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c,"
        + "72,"
        + "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0"
        + "f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7,"
        + "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025,"
        + "af82,"
        + "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f76098"
        + "4dc6594a7c15e9716ed28dc027beceea1ec40a",
  })
  void signsAsRfc8032Says(String seed, String publicKey, String message, String signature) {
    // Given
    HexFormat hex = HexFormat.of();
    SigningKey key = SigningKey.ofSeed(hex.parseHex(seed));

    // When
    byte[] signed = key.sign(hex.parseHex(message));

    // Then
    assertThat(hex.formatHex(signed)).isEqualTo(signature);
    assertThat(hex.formatHex(Pem.decode("PUBLIC KEY", key.publicKey().pem()).orElseThrow()))
        .endsWith(publicKey);
    assertThat(key.publicKey().verify(hex.parseHex(message), signed)).isTrue();
    assertThat(key.publicKey().verify(hex.parseHex(message + "00"), signed)).isFalse();
  }

  @Test
  void signsMessagesThatTheNativeSignerDoesNotTake() {
    SigningKey key = SigningKey.ofSeed(new byte[32]);
    for (int more : new int[] {0, 1, 1 << 20}) {
      byte[] message = new byte[Ed25519.MOST_BYTES + more];

      byte[] signature = key.sign(message);

      assertThat(key.publicKey().verify(message, signature)).isTrue();
      message[Ed25519.MOST_BYTES - 1] ^= 1;
      assertThat(key.publicKey().verify(message, signature)).isFalse();
    }
  }

  @Test
  void newKeyIsItsOwnersAloneAndStays() throws IOException {
    // Given
    Path file = directory.resolve("keys/signing.pem");
    SigningKey created = SigningKey.loadOrCreate(file);

    // When
    SigningKey loaded = SigningKey.loadOrCreate(file);

    // Then
    assertThat(loaded.publicKey().id()).isEqualTo(created.publicKey().id()).hasSize(64);
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
        .isEqualTo("rw-------");
    VerificationKey published = VerificationKey.load(directory.resolve("keys/signing.pub.pem"));
    assertThat(published.verify(new byte[] {1}, created.sign(new byte[] {1}))).isTrue();
    try (Stream<Path> files = Files.list(file.getParent())) {
      assertThat(files).hasSize(2);
    }
  }

  @Test
  void processesThatComeAtOnceGetOneKey() throws InterruptedException, ExecutionException {
    // Given
    Path file = directory.resolve("signing.pem");
    Callable<String> load = () -> SigningKey.loadOrCreate(file).publicKey().id();
    ExecutorService executor = Executors.newFixedThreadPool(8);
    try {
      // When
      List<Future<String>> ids = executor.invokeAll(Collections.nCopies(32, load));

      // Then
      String expected = SigningKey.loadOrCreate(file).publicKey().id();
      for (Future<String> id : ids) {
        assertThat(id.get()).isEqualTo(expected);
      }
    } finally {
      executor.shutdownNow();
    }
  }

  @Test
  void otherKeysAreRefused() throws IOException, NoSuchAlgorithmException {
    // Given
    KeyPairGenerator rsa = KeyPairGenerator.getInstance("RSA");
    rsa.initialize(2048);
    Path other = directory.resolve("rsa.pem");
    Files.writeString(
        other, Pem.encode("PRIVATE KEY", rsa.generateKeyPair().getPrivate().getEncoded()));
    Path text = Files.writeString(directory.resolve("text.pem"), "no key");
    Path binary = Files.write(directory.resolve("binary.pem"), new byte[] {(byte) 0xc3, 0x28});

    // When / Then
    assertThatThrownBy(() -> SigningKey.loadOrCreate(other))
        .isInstanceOf(AttestationException.class)
        .hasMessage("signing key " + other + " is not an Ed25519 key");
    assertThatThrownBy(() -> SigningKey.loadOrCreate(text))
        .hasMessageStartingWith("signing key " + text + " has no PEM block");
    assertThatThrownBy(() -> SigningKey.loadOrCreate(binary))
        .hasMessage("signing key " + binary + " is not a PEM file");
    assertThatThrownBy(() -> SigningKey.loadOrCreate(directory))
        .isInstanceOf(AttestationException.class)
        .hasMessageStartingWith("signing key " + directory + " cannot be used");
    assertThatThrownBy(() -> VerificationKey.load(directory.resolve("none.pem")))
        .hasMessage("public key " + directory.resolve("none.pem") + " is missing");
  }
}
