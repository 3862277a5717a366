package io.lethe.topics;

import io.lethe.events.CompletionStage;
import io.lethe.events.ModelRegistered;
import java.util.Optional;

/**
 * What a model's registration must be like by itself. Whoever takes one asks here: were it refused
 * in one place and taken in another, requests would wait for a model that there never is.
 */
public final class Registrations {
  private Registrations() {}

  /** Why the registration under this key cannot be taken; empty: it can. */
  public static Optional<String> objection(String key, ModelRegistered registration) {
    if (key.isEmpty() || key.indexOf('\u0000') >= 0 || !registration.getModelId().equals(key)) {
      return Optional.of("a modelId must be the record's key, not be empty and hold no NUL");
    }
    boolean exact = registration.getPolicy().getCompletion() == CompletionStage.EXACT;
    return exact && registration.getRecipe().isEmpty()
        ? Optional.of("a policy by which a model trained anew completes takes a recipe")
        : Optional.empty();
  }
}
