package io.lethe.unlearning;

import io.lethe.model.LoadedModel;
import java.util.function.Supplier;

/**
 * What training a model again from nothing takes.
 *
 * @param untrained makes a model of the anchor's architecture with its initial weights, each call a
 *     new one that the caller closes
 * @param recipe how the anchor was trained
 */
public record Retraining(Supplier<LoadedModel> untrained, TrainingRecipe recipe) {}
