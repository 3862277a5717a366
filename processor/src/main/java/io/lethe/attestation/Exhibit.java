package io.lethe.attestation;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * One record that is to be verified.
 *
 * @param kind what it is
 * @param record its JSON form
 * @param attestation its envelope, as a string or as an object; a missing node where it has none
 */
record Exhibit(RecordKind kind, JsonNode record, JsonNode attestation) {

  static Exhibit ofRecord(RecordKind kind, ObjectNode record) {
    return new Exhibit(kind, record, record.path(Statement.ATTESTATION));
  }

  /**
   * An envelope by itself: the record is what the statement says.
   *
   * @throws AttestationException if it holds no statement of this program
   */
  static Exhibit ofEnvelope(JsonNode envelope) {
    Statement statement = Statement.of(Envelope.parse(envelope));
    return new Exhibit(statement.kind(), statement.predicate(), envelope);
  }

  String label() {
    return kind.label(record);
  }

  /**
   * @throws AttestationException if there is none, or it cannot be read
   */
  Envelope envelope() {
    if (attestation.isObject()) {
      return Envelope.parse(attestation);
    }
    if (attestation.asText("").isEmpty()) {
      throw new AttestationException("has no attestation");
    }
    return Envelope.parse(attestation.asText());
  }
}
