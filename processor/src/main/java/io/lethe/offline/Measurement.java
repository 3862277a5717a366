package io.lethe.offline;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.Evaluation;
import io.lethe.events.SetMetrics;
import io.lethe.json.JsonRecords;
import io.lethe.terminal.Terminal;
import java.util.Locale;
import java.util.Optional;

/**
 * A model measured on what it must forget, keep and generalise to, beside a reference where one is
 * given.
 *
 * @param evaluation of the model
 * @param reference of a model that was trained without the forget samples, on the same samples
 * @param trueHoldout whether the model never saw the holdout samples; else they are a seeded tenth
 *     of the retained samples
 */
public record Measurement(
    Evaluation evaluation, Optional<Evaluation> reference, boolean trueHoldout) {

  /**
   * ToW, "tug of war" (Zhao et al. 2024, arXiv 2406.01257): the product over forget, retain and
   * holdout of 1 − |accuracy − reference's accuracy|. 1: as good as retrained.
   */
  public Optional<Double> tow() {
    return reference.map(
        other ->
            closeness(evaluation.getForget(), other.getForget())
                * closeness(evaluation.getRetain(), other.getRetain())
                * closeness(evaluation.getHoldout(), other.getHoldout()));
  }

  private static double closeness(SetMetrics one, SetMetrics other) {
    return 1 - Math.abs(one.getAccuracy() - other.getAccuracy());
  }

  /** Fields of the evaluation, then {@code trueHoldout}, {@code reference} and {@code tow}. */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.setAll(JsonRecords.toJson(evaluation));
    json.put("trueHoldout", trueHoldout);
    reference.ifPresent(other -> json.set("reference", JsonRecords.toJson(other)));
    tow().ifPresent(tow -> json.put("tow", tow));
    return json;
  }

  /** Shows it as a table. */
  public void print(Terminal terminal) {
    head(terminal);
    row(terminal, "model", evaluation);
    reference.ifPresent(other -> row(terminal, "reference", other));
    tow().ifPresent(tow -> terminal.line(String.format(Locale.ROOT, "  ToW %.3f", tow)));
    if (!trueHoldout) {
      noteHoldout(terminal);
    }
  }

  static void head(Terminal terminal) {
    terminal.line(
        "  accuracy / loss       forget           retain           holdout          membership AUC");
  }

  static void row(Terminal terminal, String name, Evaluation evaluation) {
    terminal.line(
        String.format(
            Locale.ROOT,
            "  %-20s  %-15s  %-15s  %-15s  %.3f",
            name,
            set(evaluation.getForget()),
            set(evaluation.getRetain()),
            set(evaluation.getHoldout()),
            evaluation.getMembershipAuc()));
  }

  static void noteHoldout(Terminal terminal) {
    terminal.line(
        "  No --holdout was given: a seeded tenth of the retained samples stands in, which the model"
            + " has seen.");
  }

  private static String set(SetMetrics metrics) {
    return String.format(
        Locale.ROOT, "%.1f %% / %.2f", 100 * metrics.getAccuracy(), metrics.getLoss());
  }
}
