/**
 * Signed statements on model versions and erasure receipts, and their verification.
 *
 * <p>A statement is evidence of what was done and measured. It does not show that a model has
 * forgotten, and no text here may say so.
 *
 * <p>Imports the events, their JSON form and {@code io.lethe.artifact}; neither Kafka nor DJL.
 */
package io.lethe.attestation;
