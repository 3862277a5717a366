/**
 * Wires intake, batching and tracking into one Kafka Streams application and runs it: names of
 * nodes and internal topics, serdes, life cycle, and reads of its stores. Never imports DJL.
 */
package io.lethe.topology;
