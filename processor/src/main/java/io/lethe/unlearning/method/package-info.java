/**
 * The unlearning methods, one class each beside the record of its hyperparameters, and what they
 * share: minibatches, adapters, searches for a threshold.
 *
 * <p>Imports {@code io.lethe.unlearning}, which knows these classes by the interface {@link
 * io.lethe.unlearning.UnlearningMethod} and by name only: {@link
 * io.lethe.unlearning.method.Methods} is found as a service.
 */
package io.lethe.unlearning.method;
