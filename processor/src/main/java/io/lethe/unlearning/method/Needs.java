package io.lethe.unlearning.method;

import ai.djl.nn.core.Linear;
import io.lethe.unlearning.LayersInARow;
import io.lethe.unlearning.UnlearningTask;
import java.util.Optional;

/** What methods need and tasks may lack, in words that follow "needs". */
final class Needs {
  private Needs() {}

  static Optional<String> forgetSamples(UnlearningTask task) {
    return unless(task.forget().length > 0, "the samples to forget, which the dataset lacks");
  }

  static Optional<String> unseenSamples(UnlearningTask task) {
    return unless(
        task.unseen().map(unseen -> unseen.positions().length > 0).orElse(false),
        "samples that the model never saw");
  }

  static Optional<String> wholeClasses(UnlearningTask task) {
    return unless(!task.forgetClasses().isEmpty(), "whole classes to forget");
  }

  /** Of a whole class no model that never saw a sample says what one without the class would. */
  static Optional<String> targets(UnlearningTask task) {
    return unless(
            task.forgetClasses().isEmpty(),
            "single samples to forget: held-out targets of a class know it by its other samples")
        .or(
            () ->
                unless(
                    task.targets().map(targets -> targets.cover(task.forget())).orElse(false),
                    "held-out targets of all forget samples"));
  }

  static Optional<String> recipe(UnlearningTask task) {
    return unless(task.retraining().isPresent(), "the model's training recipe");
  }

  static Optional<String> fisherSums(UnlearningTask task) {
    return unless(
        task.retainSums().samples() > 0 && task.erasedSums().samples() > 0,
        "Fisher sums over retained samples and over samples to forget");
  }

  static Optional<String> layersInARow(UnlearningTask task) {
    return unless(
        LayersInARow.of(task.model()).isPresent(),
        "a model whose layers follow each other and can be reached");
  }

  static Optional<String> linearHead(UnlearningTask task) {
    return unless(
        LayersInARow.of(task.model()).map(row -> row.last() instanceof Linear).orElse(false),
        "a model that ends in a linear layer whose inputs can be reached");
  }

  static Optional<String> unless(boolean there, String what) {
    return there ? Optional.empty() : Optional.of(what);
  }
}
