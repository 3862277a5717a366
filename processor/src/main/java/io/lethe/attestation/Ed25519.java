package io.lethe.attestation;

import com.amazon.corretto.crypto.provider.AmazonCorrettoCryptoProvider;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Provider;
import java.security.Security;
import java.security.Signature;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.HexFormat;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Whose Ed25519 (RFC 8032) signs: that of the Amazon Corretto Crypto Provider, native code of
 * AWS-LC, where it works on this machine, else the JDK's. A signature is determined by key and
 * message, so both make the same one; the provider must show that before it is taken.
 *
 * <p>RATIONALE: the JDK's is plain Java over a generic field arithmetic, 400 to 700 µs a signature
 * where the native one takes 20 to 30, and each receipt has one: it was seven tenths of the stream
 * thread's time. The provider is asked by name of the object only and never installed: nothing else
 * in the process changes its cryptography.
 */
final class Ed25519 {
  static final String ALGORITHM = "Ed25519";

  /** What the native signer takes: it gathers a message before it signs it, up to 1 MiB. */
  static final int MOST_BYTES = 1 << 20;

  private static final Logger log = LoggerFactory.getLogger(Ed25519.class);

  /**
   * RFC 8032, section 7.1, test 1: an empty message. PKCS#8 header and seed, then its signature.
   */
  private static final String TEST_KEY =
      "302e020100300506032b657004220420"
          + "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

  private static final String TEST_SIGNATURE =
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
          + "d25bf5f0595bbe24655141438e7a100b";

  private static final Provider JDK = Security.getProviders("Signature." + ALGORITHM)[0];
  private static final Provider PROVIDER = provider();

  private Ed25519() {}

  /** A signer without a key, of messages of at most {@link #MOST_BYTES}. */
  static Signature signature() throws GeneralSecurityException {
    return Signature.getInstance(ALGORITHM, PROVIDER);
  }

  /** A signer without a key, of messages of any length. */
  static Signature signatureOfAnyLength() throws GeneralSecurityException {
    return Signature.getInstance(ALGORITHM, JDK);
  }

  private static Provider provider() {
    try {
      Provider accp = AmazonCorrettoCryptoProvider.INSTANCE;
      if (AmazonCorrettoCryptoProvider.INSTANCE.getLoadingError() != null) {
        log.info("native Ed25519 is not there, the JDK's is used");
      } else if (passes(accp)) {
        return accp;
      } else {
        log.warn("native Ed25519 makes other signatures, the JDK's is used");
      }
    } catch (LinkageError | GeneralSecurityException | RuntimeException e) {
      log.info("native Ed25519 cannot be used, the JDK's is: {}", e.toString());
    }
    return JDK;
  }

  /** Whether the provider makes the RFC's signature with a key that the JDK read. */
  private static boolean passes(Provider provider) throws GeneralSecurityException {
    PrivateKey key =
        KeyFactory.getInstance(ALGORITHM)
            .generatePrivate(new PKCS8EncodedKeySpec(HexFormat.of().parseHex(TEST_KEY)));
    Signature signature = Signature.getInstance(ALGORITHM, provider);
    signature.initSign(key);
    return HexFormat.of().formatHex(signature.sign()).equals(TEST_SIGNATURE);
  }
}
