package io.lethe.attestation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * What a JSON file gives to verify.
 *
 * @param items the records, at least one
 * @param publicKey the key that the file brings along
 */
record Exhibits(List<Exhibit> items, Optional<VerificationKey> publicKey) {

  /**
   * @throws AttestationException if the file cannot be read, or holds nothing to verify
   */
  static Exhibits read(Path file) {
    JsonNode json;
    try {
      json = Json.MAPPER.readTree(Files.readAllBytes(file));
    } catch (NoSuchFileException e) {
      throw new AttestationException(file + " is missing", e);
    } catch (JsonProcessingException e) {
      throw new AttestationException(
          file + " is not JSON: " + e.getOriginalMessage().lines().findFirst().orElse(""), e);
    } catch (IOException e) {
      throw new AttestationException(file + " cannot be read: " + e, e);
    }
    List<Exhibit> items = new ArrayList<>();
    boolean report = json.has("versions") || json.has("receipts");
    if (report && RecordKind.of(json).isEmpty()) {
      collect(json.path("versions"), file + ": versions", items);
      collect(json.path("receipts"), file + ": receipts", items);
    } else if (json.isArray()) {
      collect(json, file.toString(), items);
    } else {
      items.add(one(json, file.toString()));
    }
    if (items.isEmpty()) {
      throw new AttestationException(file + " holds nothing to verify");
    }
    JsonNode key = json.path("publicKey");
    return new Exhibits(
        items,
        key.isTextual()
            ? Optional.of(VerificationKey.parse(key.textValue(), "in " + file))
            : Optional.empty());
  }

  private static void collect(JsonNode array, String where, List<Exhibit> items) {
    if (!array.isArray() && !array.isMissingNode()) {
      throw new AttestationException(where + " is not an array");
    }
    for (int i = 0; i < array.size(); i++) {
      items.add(one(array.get(i), where + "[" + i + "]"));
    }
  }

  private static Exhibit one(JsonNode json, String where) {
    if (json instanceof ObjectNode object) {
      if (Envelope.hasFormOf(object)) {
        return Exhibit.ofEnvelope(object);
      }
      Optional<RecordKind> kind = RecordKind.of(object);
      if (kind.isPresent()) {
        return Exhibit.ofRecord(kind.get(), object);
      }
    }
    throw new AttestationException(
        where + " is neither a model version, nor a receipt, nor an attestation of one");
  }
}
