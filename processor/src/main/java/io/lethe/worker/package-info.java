/**
 * Takes unlearning jobs from a share group, runs them on a thread of their own, stores artifacts
 * and reports. Imports {@code unlearning}, {@code artifact}, {@code fisher}, {@code topics}; never
 * runs on a stream thread.
 */
package io.lethe.worker;
