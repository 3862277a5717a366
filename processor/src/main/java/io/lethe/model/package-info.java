/**
 * Models as DJL holds them: loading, running, writing one file.
 *
 * <p>Native memory has nested scopes: a {@link io.lethe.model.LoadedModel} owns its manager and
 * closes it; a job makes a child of it, a minibatch a child of that. Nothing attaches to the
 * engine's root manager. Knows no Kafka and no dataset.
 */
package io.lethe.model;
