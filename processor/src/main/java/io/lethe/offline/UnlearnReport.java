package io.lethe.offline;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.GateCheck;
import io.lethe.events.StageSeconds;
import io.lethe.events.Verdict;
import io.lethe.json.JsonRecords;
import io.lethe.terminal.ProcessMemory;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.Gate;
import io.lethe.unlearning.UnlearningMethod;
import io.lethe.unlearning.UnlearningResult;
import java.util.Locale;

/**
 * What an offline unlearning found.
 *
 * @param result of the job
 * @param anchorSeconds cost of the Fisher sums over the dataset; 0 where they were read from a file
 * @param forgetSamples number of samples to forget
 * @param seed of everything random
 * @param model SHA-256 of the model that was unlearned from
 * @param dataset SHA-256 of the training dataset's values
 * @param artifact file name of the new model, beside the report
 * @param artifactSha256 its digest
 */
public record UnlearnReport(
    UnlearningResult result,
    double anchorSeconds,
    int forgetSamples,
    long seed,
    String model,
    String dataset,
    String artifact,
    String artifactSha256) {

  /** Whether the gate let the new model pass. */
  public boolean released() {
    return result.verdict() == Verdict.RELEASE;
  }

  /** The report as one JSON document. */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("method", result.method());
    json.put("selectedFraction", result.selectedFraction());
    StageSeconds stages = result.seconds();
    ObjectNode seconds = json.putObject("seconds");
    seconds.put("fisher", anchorSeconds + stages.getFisher());
    seconds.put("method", stages.getMethod());
    seconds.put("repair", stages.getRepair());
    seconds.put("evaluate", stages.getEvaluate());
    seconds.put("control", result.controlSeconds()); // of evaluate
    json.set("before", JsonRecords.toJson(result.before()));
    json.set("after", JsonRecords.toJson(result.after()));
    result.control().ifPresent(control -> json.set("control", JsonRecords.toJson(control)));
    json.put("controlMethod", result.controlMethod());
    ObjectNode gate = json.putObject("gate");
    gate.put("verdict", result.verdict().name());
    ArrayNode checks = gate.putArray("checks");
    result.checks().forEach(check -> checks.add(JsonRecords.toJson(check)));
    ArrayNode leftOut = json.putArray("leftOut");
    result.leftOut().forEach(left -> leftOut.add(left.method()));
    ObjectNode needs = json.putObject("needs");
    result.leftOut().forEach(left -> needs.put(left.method(), left.needs()));
    ObjectNode failed = json.putObject("failed");
    result.failed().forEach(rung -> failed.put(rung.method(), rung.reason()));
    ArrayNode trials = json.putArray("trials");
    result
        .trials()
        .forEach(
            trial ->
                trials
                    .addObject()
                    .put("share", trial.share())
                    .put("forgetGap", trial.forgetGap())
                    .put("retainDrop", trial.retainDrop())
                    .put("kept", trial.kept())
                    .put("chosen", trial.chosen()));
    result
        .forgottenClasses()
        .ifPresent(
            classes ->
                json.putObject("forgottenClasses")
                    .put("samples", classes.samples())
                    .put("accuracyBefore", classes.before())
                    .put("accuracyAfter", classes.after()));
    json.put("trueHoldout", result.trueHoldout());
    json.put("forgetSamples", forgetSamples);
    json.put("seed", seed);
    json.put("modelSha256", model);
    json.put("datasetSha256", dataset);
    json.put("artifact", artifact);
    json.put("artifactSha256", artifactSha256);
    ProcessMemory.peakRssMiB().ifPresent(mib -> json.put("peakRssMiB", mib));
    return json;
  }

  /** Shows the comparison and what the gate said. */
  public void print(Terminal terminal) {
    terminal.line("");
    Measurement.head(terminal);
    Measurement.row(terminal, "before", result.before());
    Measurement.row(terminal, "after (" + result.method() + ")", result.after());
    result
        .control()
        .ifPresent(
            control -> Measurement.row(terminal, result.controlMethod() + ", control", control));
    if (!result.trueHoldout()) {
      Measurement.noteHoldout(terminal);
    }
    result
        .leftOut()
        .forEach(
            left ->
                terminal.line(
                    "  %s was left out: it needs %s".formatted(left.method(), left.needs())));
    result
        .failed()
        .forEach(rung -> terminal.line("  %s failed: %s".formatted(rung.method(), rung.reason())));
    result
        .forgottenClasses()
        .ifPresent(
            classes ->
                terminal.line(
                    String.format(
                        Locale.ROOT,
                        "  forgotten classes, %d holdout samples: accuracy %.1f %% before, %.1f %%"
                            + " after",
                        classes.samples(),
                        100 * classes.before(),
                        100 * classes.after())));
    for (UnlearningMethod.Trial trial : result.trials()) {
      terminal.line(
          String.format(
              Locale.ROOT,
              "  tried %.2f %% of the weights: forget gap %+.3f, retain drop %.4f%s%s",
              100 * trial.share(),
              trial.forgetGap(),
              trial.retainDrop(),
              trial.kept() ? "" : ", too much",
              trial.chosen() ? ", chosen" : ""));
    }
    result.checks().forEach(check -> terminal.line("  gate: " + describe(check)));
    terminal.line("  verdict " + result.verdict());
  }

  private static String describe(GateCheck check) {
    if (!check.getMeasured()) {
      return "%s: not measured, for lack of %s: %s"
          .formatted(
              check.getName(),
              check.getName().equals(Gate.CLASS_ACCURACY) ? "samples" : "held-out targets",
              check.getPassed() ? "passed" : "a person decides");
    }
    String interval =
        check
            .getInterval()
            .map(i -> String.format(Locale.ROOT, " [%.4f, %.4f]", i.getLow(), i.getHigh()))
            .orElse("");
    String least =
        check.getLeast().map(l -> String.format(Locale.ROOT, "at least %.4f and ", l)).orElse("");
    return String.format(
        Locale.ROOT,
        "%s %.4f%s, %sat most %.4f: %s%s",
        check.getName(),
        check.getValue(),
        interval,
        least,
        check.getThreshold(),
        check.getPassed() ? "passed" : "failed",
        check.getConclusive() ? "" : ", not conclusive");
  }
}
