package io.lethe.demo;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.ErasureReceipt;
import io.lethe.events.Evaluation;
import io.lethe.events.ModelVersion;
import io.lethe.events.SetMetrics;
import io.lethe.json.JsonRecords;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.UnlearningResult;
import java.util.List;
import java.util.Locale;

/**
 * What the demo found.
 *
 * @param requests deletion requests that were sent
 * @param receipts one for each
 * @param versions that were published, in order
 * @param deepClean what DeepClean alone makes of the same samples, with its random-mask control
 * @param retrained a model trained by the same recipe without the erased samples, measured on the
 *     samples of the last version
 * @param seconds wall times
 * @param publicKey PEM of the key that signed versions and receipts
 */
public record DemoReport(
    int requests,
    List<ErasureReceipt> receipts,
    List<ModelVersion> versions,
    UnlearningResult deepClean,
    Evaluation retrained,
    Seconds seconds,
    String publicKey) {

  /** Wall times of the demo's parts, in seconds. */
  public record Seconds(
      double train, double anchor, double unlearn, double retrain, double endToEnd) {}

  private ModelVersion last() {
    return versions.get(versions.size() - 1);
  }

  /** The report as one JSON document. */
  public ObjectNode toJson() {
    ObjectNode json = new ObjectMapper().createObjectNode();
    json.put("requests", requests);
    ArrayNode receiptArray = json.putArray("receipts");
    receipts.forEach(receipt -> receiptArray.add(JsonRecords.toJson(receipt)));
    ArrayNode versionArray = json.putArray("versions");
    for (ModelVersion version : versions) {
      ObjectNode node = JsonRecords.toJson(version);
      node.put("sha256", version.getArtifactSha256());
      node.put("uri", version.getArtifactUri());
      versionArray.add(node);
    }
    json.set("before", JsonRecords.toJson(last().getBefore()));
    json.set("after", JsonRecords.toJson(last().getAfter()));
    last().getControl().ifPresent(control -> json.set("control", JsonRecords.toJson(control)));
    ObjectNode compared = json.putObject("deepclean");
    compared.set("after", JsonRecords.toJson(deepClean.after()));
    deepClean.control().ifPresent(control -> compared.set("control", JsonRecords.toJson(control)));
    compared.put("selectedFraction", deepClean.selectedFraction());
    compared.put("verdict", deepClean.verdict().name());
    json.set("retrained", JsonRecords.toJson(retrained));
    json.put("selectedFraction", last().getSelectedFraction());
    ObjectNode times = json.putObject("seconds");
    times.put("train", seconds.train());
    times.put("anchor", seconds.anchor());
    times.put("unlearn", seconds.unlearn());
    times.put("retrain", seconds.retrain());
    times.put("endToEnd", seconds.endToEnd());
    ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
    json.put("publicKey", publicKey);
    return json;
  }

  /** Shows the comparison. */
  public void print(Terminal terminal) {
    ModelVersion last = last();
    terminal.line("");
    terminal.line(
        "  accuracy / loss       forget           retain           holdout          membership AUC");
    row(terminal, "before", last.getBefore());
    row(terminal, "after (" + last.getMethod() + ")", last.getAfter());
    last.getControl().ifPresent(control -> row(terminal, "the same, no targets", control));
    row(terminal, "deepclean alone", deepClean.after());
    deepClean.control().ifPresent(control -> row(terminal, "random-mask control", control));
    row(terminal, "retrained without", retrained);
    terminal.line("");
    terminal.line(
        "  forget: %d samples erased in %d versions; retain and holdout: %d and %d samples."
            .formatted(
                last.getErasedSamples(),
                versions.size(),
                last.getAfter().getRetain().getSamples(),
                last.getAfter().getHoldout().getSamples()));
    terminal.line(
        "  DeepClean selected %s of the weights, its control as many at random. The closer a row is"
            .formatted(percent(deepClean.selectedFraction())));
    terminal.line("  to the last one, the better it has forgotten: evidence, not proof.");
  }

  private static void row(Terminal terminal, String name, Evaluation evaluation) {
    terminal.line(
        "  %-20s  %-15s  %-15s  %-15s  %.3f"
            .formatted(
                name,
                set(evaluation.getForget()),
                set(evaluation.getRetain()),
                set(evaluation.getHoldout()),
                evaluation.getMembershipAuc()));
  }

  private static String set(SetMetrics metrics) {
    return String.format(
        Locale.ROOT, "%s / %.2f", percent(metrics.getAccuracy()), metrics.getLoss());
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }
}
