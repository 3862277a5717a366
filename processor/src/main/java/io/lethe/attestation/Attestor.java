package io.lethe.attestation;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelVersion;
import io.lethe.json.JsonRecords;
import java.util.Objects;

/**
 * Signs model versions and erasure receipts: each gets an attestation, a DSSE envelope over an
 * in-toto statement that repeats every other field, so that a change of any of them shows.
 *
 * <p>Thread-safe. The same record and key give the same attestation: a record that is made again
 * after a crash is the same record.
 */
public final class Attestor {
  private final SigningKey key;

  /**
   * @param key signs every attestation
   */
  public Attestor(SigningKey key) {
    this.key = Objects.requireNonNull(key, "key");
  }

  /**
   * A copy of the version with its attestation.
   *
   * @param version all fields set; what it has as attestation is ignored
   */
  public ModelVersion attest(ModelVersion version) {
    return ModelVersion.newBuilder(version)
        .setAttestation(sign(RecordKind.MODEL_VERSION, JsonRecords.toJson(version)))
        .build();
  }

  /**
   * A copy of the receipt with its attestation.
   *
   * @param receipt all fields set; what it has as attestation is ignored
   */
  public ErasureReceipt attest(ErasureReceipt receipt) {
    return ErasureReceipt.newBuilder(receipt)
        .setAttestation(sign(RecordKind.ERASURE_RECEIPT, JsonRecords.toJson(receipt)))
        .build();
  }

  private String sign(RecordKind kind, ObjectNode record) {
    byte[] statement = Statement.about(kind, record).toBytes();
    return Envelope.sign(Statement.PAYLOAD_TYPE, statement, key).toJson();
  }
}
