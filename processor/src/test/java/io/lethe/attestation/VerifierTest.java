package io.lethe.attestation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.artifact.Artifact;
import io.lethe.artifact.ArtifactStore;
import io.lethe.artifact.ArtifactStores;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.ModelVersion;
import io.lethe.json.JsonRecords;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificRecord;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class VerifierTest {
  private static final SigningKey KEY = SigningKey.ofSeed(new byte[32]);
  private static final Attestor ATTESTOR = new Attestor(KEY);
  private static final Verifier VERIFIER = new Verifier(List.of(KEY.publicKey()));

  @TempDir private Path directory;
  private List<ModelVersion> versions;
  private ErasureReceipt receipt;

  @BeforeEach
  void release() throws IOException {
    ArtifactStore store = ArtifactStores.open(directory.resolve("store").toUri());
    versions = new ArrayList<>();
    for (int v = 1; v <= 3; v++) {
      Artifact artifact = store.put(Files.writeString(directory.resolve("m.params"), "model " + v));
      versions.add(
          ATTESTOR.attest(Records.version(v, artifact.uri().toString(), artifact.sha256())));
    }
    receipt = ATTESTOR.attest(Records.receipt(versions.get(1)));
  }

  @Test
  void attestedRecordsPass() {
    ErasureReceipt denied = ATTESTOR.attest(Records.denied());

    assertThat(VERIFIER.verify(versions.get(0))).allMatch(f -> f.level() == Finding.Level.OK);
    assertThat(VERIFIER.verify(receipt)).allMatch(f -> f.level() == Finding.Level.OK);
    assertThat(VERIFIER.verify(denied)).allMatch(f -> f.level() == Finding.Level.OK);
  }

  @Test
  void attestationIsDeterministicAndReplacesAnOlderOne() {
    assertThat(ATTESTOR.attest(versions.get(0))).isEqualTo(versions.get(0));
    assertThat(ATTESTOR.attest(receipt)).isEqualTo(receipt);
  }

  @Test
  void statementIsInToto() throws IOException {
    // Given
    Envelope envelope = Envelope.parse(receipt.getAttestation());

    // When
    JsonNode statement = Json.MAPPER.readTree(envelope.payload());

    // Then
    assertThat(envelope.payloadType()).isEqualTo("application/vnd.in-toto+json");
    assertThat(statement.path("_type").asText()).isEqualTo("https://in-toto.io/Statement/v1");
    assertThat(statement.path("predicateType").asText())
        .isEqualTo("https://lethe.io/attestation/erasure-receipt/v1");
    assertThat(statement.path("subject"))
        .isEqualTo(
            Json.MAPPER.valueToTree(
                List.of(
                    Map.of(
                        "name",
                        "digits@2",
                        "digest",
                        Map.of("sha256", versions.get(1).getArtifactSha256())))));
    ObjectNode expected = JsonRecords.toJson(receipt);
    expected.remove("attestation");
    assertThat(statement.path("predicate").toString()).isEqualTo(expected.toString());
  }

  @Test
  void aChangeOfAnyFieldOfAnAvroRecordShows() {
    for (SpecificRecord record : List.of(versions.get(0), receipt)) {
      for (Schema.Field field : record.getSchema().getFields()) {
        // Given
        ObjectNode json = JsonRecords.toJson(record);
        changeFirstValue(json, field.name());

        // When
        List<Finding> findings =
            record instanceof ModelVersion
                ? VERIFIER.verify(JsonRecords.fromJson(json, ModelVersion.class))
                : VERIFIER.verify(JsonRecords.fromJson(json, ErasureReceipt.class));

        // Then
        assertThat(Verifier.passed(findings)).as(field.name()).isFalse();
      }
    }
  }

  @Test
  void aChangeOfAnyValueOfAJsonRecordShows() throws IOException {
    for (SpecificRecord record : List.of(versions.get(0), receipt)) {
      ObjectNode original = JsonRecords.toJson(record);
      Set<String> seen = new HashSet<>();
      for (String pointer : pointers(original, "")) {
        // Given
        ObjectNode json = original.deepCopy();
        change(json, pointer);

        // When
        List<Finding> findings = verify(json);

        // Then
        assertThat(Verifier.passed(findings)).as("changed %s", pointer).isFalse();
        seen.add(pointer.split("/")[1]);
      }
      assertThat(seen)
          .containsExactlyInAnyOrderElementsOf(
              record.getSchema().getFields().stream().map(Schema.Field::name).toList());
    }
  }

  @Test
  void aFieldTakenAwayOrAddedShows() throws IOException {
    for (SpecificRecord record : List.of(versions.get(0), receipt)) {
      for (Schema.Field field : record.getSchema().getFields()) {
        ObjectNode json = JsonRecords.toJson(record);
        json.remove(field.name());
        if (RecordKind.of(json).isPresent()) {
          assertThat(Verifier.passed(verify(json))).as("without %s", field.name()).isFalse();
        }
      }
      ObjectNode json = JsonRecords.toJson(record);
      json.put("note", "all data was erased");
      assertThat(verify(json))
          .filteredOn(f -> f.level() == Finding.Level.WRONG)
          .extracting(Finding::message)
          .containsExactly("note: not in the statement");
    }
  }

  @Test
  void onlyValuesCountNotHowTheyAreWritten() throws IOException {
    // Given
    ObjectNode json = JsonRecords.toJson(versions.get(0));
    json.put("version", 1.0);
    json.put("publishedAt", "2026-01-31T12:00:00.000001000Z");
    json.set("attestation", Json.MAPPER.readTree(json.path("attestation").asText()));
    json.put("sha256", versions.get(0).getArtifactSha256());
    json.put("uri", versions.get(0).getArtifactUri());

    // When
    List<Finding> findings = verify(json);

    // Then
    assertThat(findings).allMatch(f -> f.level() == Finding.Level.OK);
    assertThat(Verifier.passed(verify(json.put("sha256", "0")))).isFalse();
  }

  @Test
  void everyByteOfTheEnvelopeCounts() throws IOException {
    // Given
    ObjectNode envelope = (ObjectNode) Json.MAPPER.readTree(versions.get(0).getAttestation());
    String payload = envelope.path("payload").asText();
    int changed = payload.length() / 2;
    String other = payload.charAt(changed) == 'A' ? "B" : "A";

    // When
    envelope.put("payload", payload.substring(0, changed) + other + payload.substring(changed + 1));

    // Then
    Path file = Files.writeString(directory.resolve("e.json"), envelope.toString());
    boolean refused;
    try {
      refused = !Verifier.passed(VERIFIER.verifyFile(file));
    } catch (AttestationException e) {
      refused = true; // The change broke the JSON inside.
    }
    assertThat(refused).isTrue();
  }

  @Test
  void anotherKeyIsTold() {
    // Given
    byte[] seed = new byte[32];
    seed[0] = 1;
    VerificationKey other = SigningKey.ofSeed(seed).publicKey();

    // When
    List<Finding> findings = new Verifier(List.of(other)).verify(receipt);

    // Then
    assertThat(wrong(findings))
        .containsExactly(
            "not signed by key " + other.id() + "; it names key " + KEY.publicKey().id());
  }

  @Test
  void aStatementOfAnotherRecordIsRefused() throws IOException {
    // Given
    ObjectNode json = JsonRecords.toJson(versions.get(0));
    json.put("attestation", receipt.getAttestation());

    // When
    List<Finding> findings = verify(json);

    // Then
    assertThat(wrong(findings)).containsExactly("the statement is one on a receipt");
  }

  @Test
  void aRecordWithoutAttestationIsRefused() throws IOException {
    assertThat(wrong(verify(JsonRecords.toJson(Records.denied()))))
        .containsExactly("has no attestation");
  }

  @Test
  void theDemosReportPasses() throws IOException {
    // Given
    Path file = report(json -> {});

    // When
    List<Finding> findings = new Verifier(List.of()).verifyFile(file);

    // Then
    assertThat(findings).noneMatch(f -> f.level() == Finding.Level.WRONG);
    assertThat(findings)
        .filteredOn(f -> f.level() == Finding.Level.NOTE)
        .extracting(Finding::message)
        .singleElement()
        .asString()
        .startsWith("taken from the file itself");
    assertThat(findings)
        .extracting(Finding::toString)
        .contains(
            "ok     model digits: versions 1 to 3 without a gap",
            "ok     receipt 00000000-0000-0001-0000-000000000002: names the artifact of digits@2");
  }

  @Test
  void corruptArtifactIsWrongAndAMissingOneIsNoted() throws IOException {
    // Given
    Files.writeString(Path.of(URI.create(versions.get(0).getArtifactUri())), "other");
    Files.delete(Path.of(URI.create(versions.get(1).getArtifactUri())));

    // When
    List<Finding> findings = VERIFIER.verifyFile(report(json -> {}));

    // Then
    assertThat(wrong(findings)).singleElement().asString().contains(" is corrupt: expected sha256");
    assertThat(findings)
        .filteredOn(f -> f.level() == Finding.Level.NOTE)
        .extracting(Finding::message)
        .singleElement()
        .asString()
        .startsWith("artifact not checked: artifact " + versions.get(1).getArtifactUri());
  }

  @Test
  void aGapInTheChainShows() throws IOException {
    // When
    List<Finding> findings =
        VERIFIER.verifyFile(report(json -> ((ArrayNode) json.get("versions")).remove(1)));

    // Then
    assertThat(wrong(findings)).containsExactly("follows version 1: those between are not there");
  }

  @Test
  void aSignedChainThatDoesNotAddUpShows() throws IOException {
    // Given
    ModelVersion odd =
        ATTESTOR.attest(
            ModelVersion.newBuilder(versions.get(2)).setParent(1).setErasedSamples(31).build());

    // When
    List<Finding> findings =
        VERIFIER.verifyFile(
            report(json -> ((ArrayNode) json.get("versions")).set(2, JsonRecords.toJson(odd))));

    // Then
    assertThat(wrong(findings))
        .containsExactly(
            "its parent is 1, not 2", "counts 31 erased samples, its parent and its batch make 90");
  }

  @Test
  void aReceiptThatNamesAnotherArtifactShows() throws IOException {
    // Given
    ModelVersion other =
        ModelVersion.newBuilder(versions.get(1)).setArtifactSha256("0".repeat(64)).build();
    ErasureReceipt wrong = ATTESTOR.attest(Records.receipt(other));

    // When
    List<Finding> findings =
        VERIFIER.verifyFile(
            report(json -> ((ArrayNode) json.get("receipts")).set(0, JsonRecords.toJson(wrong))));

    // Then
    assertThat(wrong(findings))
        .containsExactly("names another artifact for digits@2 than that version");
  }

  @Test
  void filesThatHoldNothingToVerifyAreUnusable() throws IOException {
    Path file = directory.resolve("f.json");
    assertThatThrownBy(() -> VERIFIER.verifyFile(file)).hasMessage(file + " is missing");
    for (String text :
        List.of("", "{", "{} {}", "{}", "[]", "[1]", "{\"versions\":[]}", "{\"receipts\":{}}")) {
      Files.writeString(file, text);
      assertThatThrownBy(() -> VERIFIER.verifyFile(file))
          .as(text)
          .isInstanceOf(AttestationException.class)
          .hasMessageStartingWith(file.toString())
          .message()
          .hasLineCount(1);
    }
    Files.writeString(file, JsonRecords.toJson(receipt).toString());
    assertThatThrownBy(() -> new Verifier(List.of()).verifyFile(file))
        .hasMessage(file + " brings no public key: give the signer's");
  }

  private Path report(Consumer<ObjectNode> change) throws IOException {
    ObjectNode json = Json.MAPPER.createObjectNode();
    json.put("publicKey", KEY.publicKey().pem());
    versions.forEach(version -> json.withArray("/versions").add(JsonRecords.toJson(version)));
    json.withArray("/receipts").add(JsonRecords.toJson(receipt));
    json.putObject("seconds").put("train", 1);
    change.accept(json);
    return Files.writeString(directory.resolve("demo.json"), json.toPrettyString());
  }

  private List<Finding> verify(JsonNode json) throws IOException {
    return VERIFIER.verifyFile(
        Files.writeString(directory.resolve("record.json"), json.toString()));
  }

  private static List<String> wrong(List<Finding> findings) {
    return findings.stream()
        .filter(f -> f.level() == Finding.Level.WRONG)
        .map(Finding::message)
        .toList();
  }

  /** JSON pointers of all values that are neither objects nor arrays. */
  private static List<String> pointers(JsonNode node, String path) {
    List<String> found = new ArrayList<>();
    if (node.isObject()) {
      node.properties().forEach(e -> found.addAll(pointers(e.getValue(), path + "/" + e.getKey())));
    } else if (node.isArray()) {
      for (int i = 0; i < node.size(); i++) {
        found.addAll(pointers(node.get(i), path + "/" + i));
      }
    } else {
      found.add(path);
    }
    return found;
  }

  private static void changeFirstValue(ObjectNode json, String field) {
    change(json, pointers(json.get(field), "/" + field).get(0));
  }

  /** Changes a value into another that its schema allows. */
  private static void change(ObjectNode json, String pointer) {
    int last = pointer.lastIndexOf('/');
    String name = pointer.substring(last + 1);
    JsonNode holder = json.at(pointer.substring(0, last));
    if (holder instanceof ArrayNode array) {
      int index = Integer.parseInt(name);
      array.set(index, array.get(index).textValue() + "x");
      return;
    }
    ObjectNode parent = (ObjectNode) holder;
    JsonNode value = parent.get(name);
    if (value.isBoolean()) {
      parent.put(name, !value.booleanValue());
    } else if (value.isIntegralNumber()) {
      parent.put(name, value.longValue() + 1);
    } else if (value.isNumber()) {
      parent.put(name, Math.nextUp(value.doubleValue()));
    } else {
      parent.put(name, otherText(value.textValue()));
    }
  }

  private static String otherText(String text) {
    Map<String, String> symbols =
        Map.of("DJL", "TORCHSCRIPT", "COMPLETED", "DENIED", "GDPR", "CCPA");
    if (symbols.containsKey(text)) {
      return symbols.get(text);
    }
    if (text.endsWith("Z")) {
      return Instant.parse(text).plusNanos(1000).toString();
    }
    char end = text.charAt(text.length() - 1);
    return text.substring(0, text.length() - 1) + (end == '0' ? '1' : '0');
  }
}
