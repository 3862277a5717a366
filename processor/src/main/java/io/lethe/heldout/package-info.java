/**
 * What is kept with an anchor beside its Fisher sums: held-out targets, in rows by sample, and the
 * form in which a worker reads them together with what was erased.
 *
 * <p>Imports neither DJL nor a model, only the event types of {@code schemas} and Kafka's stores.
 */
package io.lethe.heldout;
