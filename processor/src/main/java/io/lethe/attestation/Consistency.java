package io.lethe.attestation;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;

/** Whether versions follow one another, and receipts name the versions that there are. */
final class Consistency {
  private final List<Finding> findings = new ArrayList<>();

  /** By model and version. */
  private final Map<String, NavigableMap<Long, Exhibit>> models = new TreeMap<>();

  private Consistency() {}

  static List<Finding> check(List<Exhibit> exhibits) {
    Consistency consistency = new Consistency();
    consistency.collectVersions(exhibits);
    consistency.models.forEach(consistency::checkChain);
    exhibits.stream()
        .filter(exhibit -> exhibit.kind() == RecordKind.ERASURE_RECEIPT)
        .forEach(consistency::checkReceipt);
    return consistency.findings;
  }

  private void collectVersions(List<Exhibit> exhibits) {
    for (Exhibit exhibit : exhibits) {
      if (exhibit.kind() == RecordKind.MODEL_VERSION) {
        JsonNode version = exhibit.record();
        Exhibit other =
            models
                .computeIfAbsent(version.path("modelId").asText(), id -> new TreeMap<>())
                .putIfAbsent(version.path("version").asLong(), exhibit);
        if (other != null && !sha256(other).equals(sha256(exhibit))) {
          findings.add(
              Finding.wrong(exhibit.label(), "is there twice, with two different artifacts"));
        }
      }
    }
  }

  private void checkChain(String modelId, NavigableMap<Long, Exhibit> versions) {
    int before = findings.size();
    Exhibit previous = null;
    for (Map.Entry<Long, Exhibit> entry : versions.entrySet()) {
      long version = entry.getKey();
      Exhibit exhibit = entry.getValue();
      long parent = exhibit.record().path("parent").asLong();
      if (parent != version - 1) {
        wrong(exhibit, "its parent is " + parent + ", not " + (version - 1));
      }
      if (previous != null) {
        long last = previous.record().path("version").asLong();
        if (last != version - 1) {
          wrong(exhibit, "follows version " + last + ": those between are not there");
        } else {
          checkErased(previous.record(), exhibit);
        }
      }
      previous = exhibit;
    }
    if (versions.size() > 1 && findings.size() == before) {
      findings.add(
          Finding.ok(
              "model " + modelId,
              "versions " + versions.firstKey() + " to " + versions.lastKey() + " without a gap"));
    }
  }

  /** Under one anchor every release forgets what its parent forgot, and its own batch. */
  private void checkErased(JsonNode parent, Exhibit exhibit) {
    JsonNode version = exhibit.record();
    long expected = parent.path("erasedSamples").asLong() + version.path("samples").asLong();
    boolean sameAnchor = parent.path("anchorId").equals(version.path("anchorId"));
    if (sameAnchor && version.path("erasedSamples").asLong() != expected) {
      wrong(
          exhibit,
          "counts "
              + version.path("erasedSamples").asLong()
              + " erased samples, its parent and its batch make "
              + expected);
    }
  }

  private void checkReceipt(Exhibit receipt) {
    for (JsonNode result : receipt.record().path("models")) {
      String modelId = result.path("modelId").asText();
      NavigableMap<Long, Exhibit> versions = models.get(modelId);
      if (versions == null) {
        continue;
      }
      String name = modelId + "@" + result.path("version").asText();
      Exhibit version = versions.get(result.path("version").asLong());
      if (version == null) {
        findings.add(Finding.note(receipt.label(), "version " + name + " is not in this file"));
      } else if (!sha256(version).equals(result.path("artifactSha256").asText())) {
        wrong(receipt, "names another artifact for " + name + " than that version");
      } else {
        findings.add(Finding.ok(receipt.label(), "names the artifact of " + name));
      }
    }
  }

  private void wrong(Exhibit exhibit, String message) {
    findings.add(Finding.wrong(exhibit.label(), message));
  }

  private static String sha256(Exhibit version) {
    return version.record().path("artifactSha256").asText();
  }
}
