package io.lethe.intake;

import io.lethe.events.DeletionRequest;
import io.lethe.events.Regulation;
import io.lethe.events.Selector;
import java.time.Instant;
import java.util.List;
import java.util.Optional;

/** What a request must be like; the reasons go into its receipt. */
final class Validation {
  private Validation() {}

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
              .or(() -> unless(areNames(selector.getClasses()), "invalid_classes"));
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
