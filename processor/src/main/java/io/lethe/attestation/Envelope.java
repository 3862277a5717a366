package io.lethe.attestation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
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
    byte[] type = payloadType.getBytes(StandardCharsets.UTF_8);
    ByteArrayOutputStream out = new ByteArrayOutputStream(payload.length + type.length + 40);
    out.writeBytes(("DSSEv1 " + type.length + " ").getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(type);
    out.writeBytes((" " + payload.length + " ").getBytes(StandardCharsets.US_ASCII));
    out.writeBytes(payload);
    return out.toByteArray();
  }

  boolean isSignedBy(VerificationKey key) {
    byte[] message = preAuthenticationEncoding(payloadType, payload);
    return signatures.stream().anyMatch(seal -> key.verify(message, seal.signature()));
  }

  String toJson() {
    Base64.Encoder base64 = Base64.getEncoder();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("payloadType", payloadType);
    json.put("payload", base64.encodeToString(payload));
    for (Seal seal : signatures) {
      ObjectNode signature = json.withArray("/signatures").addObject();
      signature.put("keyid", seal.keyId());
      signature.put("sig", base64.encodeToString(seal.signature()));
    }
    return json.toString();
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
