/**
 * The sub-topology that is keyed by model: collects erasure tasks, fires batches as unlearning
 * jobs, keeps the Fisher sums and turns outcomes into model versions. Imports the schemas module,
 * {@code fisher} and Kafka Streams; knows no topic names and no DJL.
 */
package io.lethe.batching;
