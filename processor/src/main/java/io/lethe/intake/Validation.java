package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What a request must be like; the reasons go into its receipt. */
final class Validation {
  /**
   * Of a command's reason, in characters: requests keep dozens of them in one record. A class's
   * label has at most as many.
   */
  private static final int LONGEST_TEXT = 1_000;

  private Validation() {}

  /** Whether a command's reason can be kept. */
  static boolean isReason(Optional<String> reason) {
    return reason.filter(text -> text.length() > LONGEST_TEXT).isEmpty();
  }

  /** The request with each class once, by the label that models know it by: 03 is 3. */
  static DeletionRequest canonical(DeletionRequest request) {
    Selector selector = request.getSelector();
    List<String> labels = selector.getClasses().stream().map(Validation::label).distinct().toList();
    return labels.equals(selector.getClasses())
        ? request
        : DeletionRequest.newBuilder(request)
            .setSelector(Selector.newBuilder(selector).setClasses(labels).build())
            .build();
  }

  private static String label(String name) {
    try {
      return Integer.toString(Integer.parseInt(name));
    } catch (NumberFormatException e) {
      return name; // of a class that no dataset has
    }
  }

  /** Why the request cannot be taken; empty: it can. */
  static Optional<String> objection(DeletionRequest request) {
    return objection(request.getSelector())
        .or(
            () ->
                unless(request.getModels().stream().allMatch(Validation::isName), "invalid_models"))
        .or(() -> unless(isDue(request), "invalid_due"));
  }

  private static Optional<String> objection(Selector selector) {
    boolean namesDataset = selector.getDatasetId().filter(Validation::isName).isPresent();
    return switch (selector.getKind()) {
      case SUBJECT ->
          unless(selector.getSubjectId().filter(Validation::isName).isPresent(), "invalid_subject");
      case SAMPLES ->
          unless(namesDataset, "invalid_dataset")
              .or(() -> unless(areNames(selector.getSampleIds()), "invalid_samples"));
      case CLASS ->
          unless(namesDataset || selector.getDatasetId().isEmpty(), "invalid_dataset")
              .or(() -> unless(areLabels(selector.getClasses()), "invalid_classes"));
    };
  }

  /** A date of the request's own must lie after its receipt and within what the law gives. */
  private static boolean isDue(DeletionRequest request) {
    if (request.getDueAt().isEmpty()) {
      return true;
    }
    Instant dueAt = request.getDueAt().get();
    Instant receivedAt = request.getReceivedAt();
    boolean lawful =
        request.getRegulation() == Regulation.OTHER
            || !dueAt.isAfter(DueDates.dueAt(request.getRegulation(), receivedAt));
    return dueAt.isAfter(receivedAt) && lawful;
  }

  private static boolean areLabels(List<String> labels) {
    return areNames(labels) && labels.stream().allMatch(label -> label.length() <= LONGEST_TEXT);
  }

  private static boolean areNames(List<String> names) {
    return !names.isEmpty() && names.stream().allMatch(Validation::isName);
  }

  /** NUL separates the parts of keys. */
  static boolean isName(String id) {
    return !id.isEmpty() && id.indexOf(IntakeStores.SEPARATOR) < 0;
  }

  private static Optional<String> unless(boolean holds, String reason) {
    return holds ? Optional.empty() : Optional.of(reason);
  }
}
