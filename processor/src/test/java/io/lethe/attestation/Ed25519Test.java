package io.lethe.attestation;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.Signature;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

class Ed25519Test {
  @Test
  void makesTheSignaturesOfTheJdk() throws Exception {
    // Given
    KeyPair pair = KeyPairGenerator.getInstance("Ed25519", "SunEC").generateKeyPair();
    Signature jdk = Signature.getInstance("Ed25519", "SunEC");
    jdk.initSign(pair.getPrivate());
    Signature ours = Ed25519.signature();
    ours.initSign(pair.getPrivate());
    Random random = new Random(7);
    for (int length = 0; length < 300; length += 7) {
      byte[] message = new byte[length];
      random.nextBytes(message);
      jdk.update(message);
      byte[] expected = jdk.sign();

      // When
      ours.update(message);
      byte[] signature = ours.sign();

      // Then
      assertThat(signature).isEqualTo(expected);
    }
  }

  @Test
  @EnabledOnOs(value = OS.LINUX, architectures = "amd64")
  void isNativeWhereTheProgramBringsALibrary() throws Exception {
    assertThat(Ed25519.signature().getProvider().getName())
        .isEqualTo("AmazonCorrettoCryptoProvider");
  }
}
