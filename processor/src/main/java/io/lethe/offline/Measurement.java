package io.lethe.offline;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lethe.events.Evaluation;
import io.lethe.events.SetMetrics;
import io.lethe.json.JsonRecords;
import io.lethe.terminal.Terminal;
import io.lethe.unlearning.ShadowScores;
import io.lethe.unlearning.Tow;
import java.util.Locale;
import java.util.Optional;

/**
 * A model measured on what it must forget, keep and generalise to, beside a reference where one is
 * given.
 *
 * @param evaluation of the model
 * @param reference of a model that was trained without the forget samples, on the same samples
 * @param tow nearness of the two
 * @param shadows how like many retrained models many unlearned ones are
 * @param trueHoldout whether the model never saw the holdout samples; else they are a seeded tenth
 *     of the retained samples
 */
public record Measurement(
    Evaluation evaluation,
    Optional<Evaluation> reference,
    Optional<Tow> tow,
    Optional<ShadowScores> shadows,
    boolean trueHoldout) {

  /**
   * Fields of the evaluation, then {@code trueHoldout} and, where there is a reference, {@code
   * reference}, {@code tow} and {@code towInterval}; where there are shadow models, {@code shadow}.
   */
  public ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.setAll(JsonRecords.toJson(evaluation));
    json.put("trueHoldout", trueHoldout);
    reference.ifPresent(other -> json.set("reference", JsonRecords.toJson(other)));
    tow.ifPresent(
        nearness -> {
          json.put("tow", nearness.value());
          json.set("towInterval", JsonRecords.toJson(nearness.interval()));
        });
    shadows.ifPresent(scores -> json.set("shadow", json(scores)));
    return json;
  }

  /** Shows it as a table. */
  public void print(Terminal terminal) {
    head(terminal);
    row(terminal, "model", evaluation);
    reference.ifPresent(other -> row(terminal, "reference", other));
    tow.ifPresent(
        nearness ->
            terminal.line(
                String.format(
                    Locale.ROOT,
                    "  ToW %.3f [%.3f, %.3f]",
                    nearness.value(),
                    nearness.interval().getLow(),
                    nearness.interval().getHigh())));
    shadows.ifPresent(
        scores ->
            terminal.line(
                String.format(
                    Locale.ROOT,
                    "  %d shadow models: forgetting quality %.3f, NeurIPS 2023 score %.3f, KLOM on"
                        + " forget %.2f, retain %.2f, holdout %.2f",
                    scores.models(),
                    scores.forgettingQuality(),
                    scores.neurips2023(),
                    scores.klomForget(),
                    scores.klomRetain(),
                    scores.klomHoldout())));
    if (!trueHoldout) {
      noteHoldout(terminal);
    }
  }

  private static ObjectNode json(ShadowScores scores) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("models", scores.models());
    json.put("forgettingQuality", scores.forgettingQuality());
    json.put("neurips2023", scores.neurips2023());
    json.put("klomForget", scores.klomForget());
    json.put("klomRetain", scores.klomRetain());
    json.put("klomHoldout", scores.klomHoldout());
    ShadowScores.Bounds bounds = scores.intervals();
    json.set("forgettingQualityInterval", JsonRecords.toJson(bounds.forgettingQuality()));
    json.set("neurips2023Interval", JsonRecords.toJson(bounds.neurips2023()));
    json.set("klomForgetInterval", JsonRecords.toJson(bounds.klomForget()));
    json.set("klomRetainInterval", JsonRecords.toJson(bounds.klomRetain()));
    json.set("klomHoldoutInterval", JsonRecords.toJson(bounds.klomHoldout()));
    return json;
  }

  static void head(Terminal terminal) {
    terminal.line(
        "  accuracy / loss       forget           retain           holdout          membership"
            + " AUC");
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
        "  No --holdout was given: a seeded tenth of the retained samples stands in, which the"
            + " model has seen.");
  }

  private static String set(SetMetrics metrics) {
    return String.format(
        Locale.ROOT, "%.1f %% / %.2f", 100 * metrics.getAccuracy(), metrics.getLoss());
  }
}
