package io.lethe.attestation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.artifact.Sha256;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * An in-toto Statement v1 on one record: its predicate is the record without its attestation, its
 * subjects are what the record is about, by SHA-256.
 */
record Statement(RecordKind kind, ObjectNode predicate) {
  static final String PAYLOAD_TYPE = "application/vnd.in-toto+json";
  static final String TYPE = "https://in-toto.io/Statement/v1";

  /** The record's field that carries the envelope, and that the statement leaves out. */
  static final String ATTESTATION = "attestation";

  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

  /** The statement on a record in its JSON form. */
  static Statement about(RecordKind kind, ObjectNode record) {
    ObjectNode predicate = NODES.objectNode();
    predicate.setAll(record);
    predicate.remove(ATTESTATION);
    return new Statement(kind, predicate);
  }

  byte[] toBytes() {
    ObjectNode statement = NODES.objectNode();
    statement.put("_type", TYPE);
    statement.set("subject", subjects());
    statement.put("predicateType", kind.predicateType());
    statement.set("predicate", predicate);
    try {
      return Json.MAPPER.writeValueAsBytes(statement);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree can always be written", e);
    }
  }

  /**
   * A version is about its artifact; a receipt is about the artifacts of its models, or, where it
   * has none, about its request.
   */
  private ArrayNode subjects() {
    ArrayNode subjects = NODES.arrayNode();
    switch (kind) {
      case MODEL_VERSION -> addModel(subjects, predicate);
      case ERASURE_RECEIPT -> {
        predicate.path("models").forEach(model -> addModel(subjects, model));
        if (subjects.isEmpty()) {
          String requestId = predicate.path("requestId").asText();
          addSubject(
              subjects,
              "request:" + requestId,
              Sha256.of(requestId.getBytes(StandardCharsets.UTF_8)));
        }
      }
    }
    return subjects;
  }

  private static void addModel(ArrayNode subjects, JsonNode model) {
    addSubject(
        subjects,
        model.path("modelId").asText() + "@" + model.path("version").asText(),
        model.path("artifactSha256").asText());
  }

  private static void addSubject(ArrayNode subjects, String name, String sha256) {
    ObjectNode subject = subjects.addObject();
    subject.put("name", name);
    subject.putObject("digest").put("sha256", sha256);
  }

  /**
   * Reads the statement of an envelope, whose signature is not looked at.
   *
   * @throws AttestationException if it is no statement of this program, or its subjects are not
   *     those of its predicate
   */
  static Statement of(Envelope envelope) {
    if (!envelope.payloadType().equals(PAYLOAD_TYPE)) {
      throw new AttestationException(
          "the attestation's payload is " + envelope.payloadType() + ", not " + PAYLOAD_TYPE);
    }
    JsonNode json;
    try {
      json = Json.MAPPER.readTree(envelope.payload());
    } catch (IOException e) {
      throw new AttestationException("the attestation's payload is not JSON", e);
    }
    if (!json.path("_type").asText().equals(TYPE)) {
      throw new AttestationException("the attestation's payload is not an in-toto statement v1");
    }
    String predicateType = json.path("predicateType").asText();
    RecordKind kind =
        RecordKind.ofPredicateType(predicateType)
            .orElseThrow(
                () ->
                    new AttestationException(
                        "the statement's predicate type '" + predicateType + "' is unknown"));
    if (!(json.path("predicate") instanceof ObjectNode predicate)) {
      throw new AttestationException("the statement has no predicate");
    }
    Statement statement = new Statement(kind, predicate);
    if (!statement.subjects().equals(json.path("subject"))) {
      throw new AttestationException("the statement's subjects are not those of its predicate");
    }
    return statement;
  }
}
