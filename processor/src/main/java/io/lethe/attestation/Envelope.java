package io.lethe.attestation;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;

/**
 * A DSSE envelope (Dead Simple Signing Envelope, secure-systems-lab/dsse v1.0): the signature is
 * over the pre-authentication encoding of payload type and payload, so that no JSON has to be
 * brought into a canonical form to be verified.
 *
 * @param payloadType media type of the payload
 * @param payload the signed bytes
 * @param signatures at least one
 */
record Envelope(String payloadType, byte[] payload, List<Seal> signatures) {

  /**
   * One signature of an envelope.
   *
   * @param keyId a hint on the key, which is itself not signed; empty where the envelope has none
   * @param signature the signature's bytes
   */
  record Seal(String keyId, byte[] signature) {}

  static Envelope sign(String payloadType, byte[] payload, SigningKey key) {
    byte[] signature = key.sign(preAuthenticationEncoding(payloadType, payload));
    return new Envelope(payloadType, payload, List.of(new Seal(key.publicKey().id(), signature)));
  }

  /**
   * {@code "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body}, lengths in bytes as ASCII decimals.
   */
  static byte[] preAuthenticationEncoding(String payloadType, byte[] payload) {
    int typeLength = payloadType.getBytes(StandardCharsets.UTF_8).length;
    byte[] head =
        ("DSSEv1 " + typeLength + " " + payloadType + " " + payload.length + " ")
            .getBytes(StandardCharsets.UTF_8);
    return ByteBuffer.allocate(head.length + payload.length).put(head).put(payload).array();
  }

  boolean isSignedBy(VerificationKey key) {
    byte[] message = preAuthenticationEncoding(payloadType, payload);
    return signatures.stream().anyMatch(seal -> key.verify(message, seal.signature()));
  }

  String toJson() {
    ByteArrayOutputStream out = new ByteArrayOutputStream(2 * payload.length + 512);
    try (JsonGenerator json = Json.MAPPER.createGenerator(out)) {
      json.writeStartObject();
      json.writeStringField("payloadType", payloadType);
      json.writeBinaryField("payload", payload);
      json.writeArrayFieldStart("signatures");
      for (Seal seal : signatures) {
        json.writeStartObject();
        json.writeStringField("keyid", seal.keyId());
        json.writeBinaryField("sig", seal.signature());
        json.writeEndObject();
      }
      json.writeEndArray();
      json.writeEndObject();
    } catch (IOException e) {
      throw new UncheckedIOException("writes to memory do not fail", e);
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  static boolean hasFormOf(JsonNode json) {
    return json.has("payloadType") && json.has("payload") && json.has("signatures");
  }

  /**
   * @throws AttestationException if this is no envelope
   */
  static Envelope parse(String text) {
    try {
      return parse(Json.MAPPER.readTree(text));
    } catch (JsonProcessingException e) {
      throw new AttestationException("the attestation is not JSON", e);
    }
  }

  /**
   * @throws AttestationException if this is no envelope
   */
  static Envelope parse(JsonNode json) {
    if (!json.path("payloadType").isTextual()
        || !json.path("payload").isTextual()
        || !json.path("signatures").isArray()
        || json.path("signatures").isEmpty()) {
      throw new AttestationException("the attestation is not a signed DSSE envelope");
    }
    List<Seal> signatures = new ArrayList<>();
    for (JsonNode signature : json.path("signatures")) {
      signatures.add(
          new Seal(signature.path("keyid").asText(""), base64(signature.path("sig"), "signature")));
    }
    return new Envelope(
        json.path("payloadType").textValue(),
        base64(json.path("payload"), "payload"),
        List.copyOf(signatures));
  }

  /** The specification has verifiers take both alphabets. */
  private static byte[] base64(JsonNode json, String what) {
    try {
      String text = json.asText("").replace('-', '+').replace('_', '/');
      return Base64.getDecoder().decode(text);
    } catch (IllegalArgumentException e) {
      throw new AttestationException("the attestation's " + what + " is not base64", e);
    }
  }
}
