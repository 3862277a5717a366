/**
 * What the three sub-topologies have in common: a processor that hands each record to a plain
 * object over shared stores, and how stores are made. Imports the schemas module, trace contexts
 * and Kafka Streams only.
 */
package io.lethe.streams;
