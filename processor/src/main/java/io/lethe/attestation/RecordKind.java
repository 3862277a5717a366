package io.lethe.attestation;

import com.fasterxml.jackson.databind.JsonNode;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelVersion;
import java.util.Arrays;
import java.util.Optional;
import org.apache.avro.Schema;

/** The records that carry an attestation. */
enum RecordKind {
  MODEL_VERSION("version", "model-version", ModelVersion.getClassSchema()),
  ERASURE_RECEIPT("receipt", "erasure-receipt", ErasureReceipt.getClassSchema());

  private static final String PREDICATE_TYPE = "https://lethe.io/attestation/%s/v1";

  private final String noun;
  private final String predicateType;
  private final Schema schema;

  RecordKind(String noun, String predicate, Schema schema) {
    this.noun = noun;
    this.predicateType = PREDICATE_TYPE.formatted(predicate);
    this.schema = schema;
  }

  String predicateType() {
    return predicateType;
  }

  Schema schema() {
    return schema;
  }

  /** What findings call the record. */
  String noun() {
    return noun;
  }

  /** Short name of one record of this kind, for findings. */
  String label(JsonNode record) {
    return switch (this) {
      case MODEL_VERSION ->
          "version "
              + record.path("modelId").asText("?")
              + "@"
              + record.path("version").asText("?");
      case ERASURE_RECEIPT -> "receipt " + record.path("requestId").asText("?");
    };
  }

  static Optional<RecordKind> ofPredicateType(String predicateType) {
    return Arrays.stream(values()).filter(k -> k.predicateType.equals(predicateType)).findFirst();
  }

  /** What kind of record a JSON object is, by the fields that only this kind has. */
  static Optional<RecordKind> of(JsonNode json) {
    if (json.has("requestId") && json.has("status")) {
      return Optional.of(ERASURE_RECEIPT);
    }
    if (json.has("modelId") && json.has("version") && json.has("parent")) {
      return Optional.of(MODEL_VERSION);
    }
    return Optional.empty();
  }
}
