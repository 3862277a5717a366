package io.lethe.topology;

import java.time.Duration;

/**
 * What a model is registered with, as far as the rules ask.
 *
 * @param maxRequests that fire a batch
 * @param maxAge of a request that fires a batch
 * @param targets whether an anchor is ready only once held-out targets are here
 * @param retrains whether the ladder for samples ends with a retraining; that for classes does not
 * @param exact whether a request is complete only once the model was trained without its samples
 */
record RegisteredModel(
    String dataset,
    int maxRequests,
    Duration maxAge,
    boolean targets,
    boolean retrains,
    boolean exact) {}
