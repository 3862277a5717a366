/**
 * Fisher diagonals: sums over samples, chunks for topics and stores, safetensors files.
 *
 * <p>Plain Java: imports neither DJL nor Kafka, only the event types of {@code schemas}.
 */
package io.lethe.fisher;
