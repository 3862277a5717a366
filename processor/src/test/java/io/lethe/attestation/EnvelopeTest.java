package io.lethe.attestation;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EnvelopeTest {
  private static final SigningKey KEY = SigningKey.ofSeed(new byte[32]);

  /** The first is the specification's own example (protocol.md); lengths count bytes. */
  @ParameterizedTest
  @CsvSource({
    "http://example.com/HelloWorld, hello world,"
        + " DSSEv1 29 http://example.com/HelloWorld 11 hello world",
    "text/plain, ä, DSSEv1 10 text/plain 2 ä",
    "'', '', 'DSSEv1 0  0 '",
  })
  void encodesAsTheSpecificationSays(String type, String payload, String expected) {
    assertThat(Envelope.preAuthenticationEncoding(type, payload.getBytes(UTF_8)))
        .isEqualTo(expected.getBytes(UTF_8));
  }

  @Test
  void comesBackFromJson() {
    // Given
    Envelope envelope = Envelope.sign("text/plain", "hello".getBytes(UTF_8), KEY);

    // When
    Envelope read = Envelope.parse(envelope.toJson());

    // Then
    assertThat(read.payload()).isEqualTo("hello".getBytes(UTF_8));
    assertThat(read.signatures().get(0).keyId()).isEqualTo(KEY.publicKey().id());
    assertThat(read.isSignedBy(KEY.publicKey())).isTrue();
  }

  @Test
  void signatureCoversTypeAndPayload() {
    // Given
    Envelope signed = Envelope.sign("text/plain", "hello".getBytes(UTF_8), KEY);

    // When
    Envelope otherType = new Envelope("text/html", signed.payload(), signed.signatures());
    Envelope otherPayload =
        new Envelope("text/plain", "hell0".getBytes(UTF_8), signed.signatures());

    // Then
    assertThat(List.of(otherType, otherPayload))
        .noneMatch(envelope -> envelope.isSignedBy(KEY.publicKey()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{}",
        "{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[]}",
        "{\"payloadType\":\"t\",\"payload\":\"?\",\"signatures\":[{\"sig\":\"\"}]}",
        "{\"payloadType\":\"t\",\"payloadType\":\"u\",\"payload\":\"\",\"signatures\":[{}]}",
        "{\"payloadType\":\"t\",\"payload\":\"\",\"signatures\":[{}]} {}",
      })
  void refusesWhatIsNoEnvelope(String text) {
    assertThatThrownBy(() -> Envelope.parse(text))
        .isInstanceOf(AttestationException.class)
        .hasMessageStartingWith("the attestation");
  }
}
