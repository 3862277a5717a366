/**
 * Datasets by URI: readers for files that nobody vouches for, a generator, stable sample ids.
 *
 * <p>May import DJL's {@code NDManager} and {@code NDList}; knows no model and no Kafka.
 */
package io.lethe.dataset;
